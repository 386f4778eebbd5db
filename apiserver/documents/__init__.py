"""Documents about the server: version, health, metrics, discovery, OpenAPI, OpenID."""
