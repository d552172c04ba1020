import socket

import pytest

from energy_platform.local.ports import FIRST_PORT, LAST_PORT, choose_port, first_free_port, is_free


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_port_somebody_listens_on_is_taken(address: str):
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_a_port_with_lingering_connections_only_is_free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = server.accept()
            accepted.close()  # the server's side closes first and lingers
    assert is_free(port)


def test_chosen_ports_are_free_and_in_range_and_not_avoided():
    avoid = set(range(FIRST_PORT, LAST_PORT))
    assert choose_port(avoid) == LAST_PORT
    assert FIRST_PORT <= choose_port() <= LAST_PORT


def test_the_next_port_is_taken_where_the_wanted_one_is():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert first_free_port(port) > port
