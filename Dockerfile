# The platform's image: webserver, daemon, code location and the command `energy-platform` are all this one.
#
#   docker compose build              with the base below
#   docker build --build-arg BASE=…   with another that has Python 3.11 to 3.14, e.g. of a registry of your own

ARG BASE=python:3.11.16-slim-bookworm
# where packages are installed; another one may bring a pip.conf that names an index of your own (same Python, same path)
ARG BUILD_BASE=${BASE}

FROM ${BUILD_BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# pip stays here: the environment that goes into the image has none
RUN python3 -m venv /build/tools && python3 -m venv --without-pip /opt/energy-platform
# what the locks name and nothing else, by hash, without compiling anything
COPY requirements-build.lock requirements-production.lock ./
RUN tools/bin/pip --python /opt/energy-platform/bin/python install \
        --require-hashes --no-deps --only-binary :all: --requirement requirements-production.lock \
    && tools/bin/pip install \
        --require-hashes --no-deps --only-binary :all: --requirement requirements-build.lock
COPY pyproject.toml README.md ./
COPY energy_platform energy_platform
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
    && tools/bin/pip --python /opt/energy-platform/bin/python install --no-deps --no-index wheels/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title="Energy Platform"
# a named volume takes over owner and mode of the folder that it is mounted on first
RUN groupadd --gid 10001 energy \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin energy \
    && install -d -o energy -g energy -m 0700 \
        /var/lib/energy-platform /var/tmp/energy-platform /run/energy-secrets \
    && install -d /estate
COPY --from=build /opt/energy-platform /opt/energy-platform
COPY dagster.yaml deploy/dagster/workspace.yaml /opt/dagster/
# whatever the umask of the checkout was
RUN chmod a+rX /opt/dagster /opt/dagster/*
# bytecode was written when the packages were installed; the file system is read-only where this runs
ENV PATH=/opt/energy-platform/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    TMPDIR=/var/tmp/energy-platform \
    DAGSTER_HOME=/opt/dagster \
    DAGSTER_EVENT_BATCH_SIZE=1000 \
    ENERGY_ESTATE=/estate \
    ENERGY_HOME=/var/lib/energy-platform \
    ENERGY_DAGSTER_STORAGE=/var/lib/energy-platform/dagster
# `energy-platform` finds dagster.yaml here
WORKDIR /opt/dagster
USER 10001:10001
CMD ["energy-platform", "--help"]
