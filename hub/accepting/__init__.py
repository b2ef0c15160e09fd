"""Connections that begin with something else than their protocol: a proxy's header, a TLS handshake."""
