"""Loading time series: read, judge, write and prove them, day by day."""
