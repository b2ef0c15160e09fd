"""Connections whose protocol a plugin speaks: the hub reads, writes, limits, counts and traces.

transport ──► Connection ──► Incoming ──► the plugin's `serve`, a task from accept to close
    ◄──────────────────────── Outgoing ◄──┘
"""
