"""Not bad at all: writes down every subject that it is asked about, and says so in the message."""
from hub import Finding, hookimpl

@hookimpl
def check_message(plugin, message):
    subject = message.headers.get("Subject")
    with open(plugin.data_dir / "seen", "a") as file:
        file.write(f"{subject}\n")
    return Finding(headers=(("X-Neighbour", subject),))
