"""Starts a thread that nobody ends."""
import threading
from hub import hookimpl

def stay():
    threading.Event().wait(10)

@hookimpl
async def check_message():
    threading.Thread(target=stay, name="lost", daemon=True).start()
