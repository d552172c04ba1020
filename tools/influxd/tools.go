//go:build tools

// Package tools pins the commands that make up the InfluxDB 2 server build.
package tools

import (
	_ "github.com/influxdata/influxdb/v2/cmd/influxd"
	_ "github.com/influxdata/pkg-config"
)
