"""The read model in Redis, and what serves it: exporter, HTTP API and pages."""
