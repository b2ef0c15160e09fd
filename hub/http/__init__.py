"""HTTP on the hub's own listeners: uvicorn's protocol, Starlette's requests and responses, plugins' routes.

    octets ──► uvicorn's H11Protocol ──► connection.py: limits, deadlines, trace
                                          │ a request, its body with it
                                          └► answering.py: the route ──► the plugin's step

uvicorn's server is not used: sockets, signals, TLS and draining are the hub's as for every other protocol.
Both libraries are loaded when the first listener is served.
"""
