"""Never answers, and cannot be cancelled."""
import threading
from hub import hookimpl

@hookimpl
def check_message(message):
    if message.headers.get("Subject") == "bad":
        threading.Event().wait(5)
