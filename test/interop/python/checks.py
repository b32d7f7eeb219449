"""How a client is tried, and what is printed of it: ../checks.ts. Every check says what etcd does."""

import contextlib
import json
import os
import sys
import threading
import time
import traceback

_checks = []
_lacks = sys.argv[2].split(",")
endpoints = [(host, int(port)) for host, port in (each.split(":") for each in sys.argv[1].split(","))]


def check(name, needs=None):
    def add(function):
        _checks.append((name, needs, function))
        return function

    return add


def forget():
    """All checks so far, where others are to be made."""
    _checks.clear()


def run(connect):
    """All checks, each with a client of its own that `connect(host, port)` makes."""
    for name, needs, function in _checks:
        say("begin", name)
        if needs in _lacks:
            say("skipped", f"no {needs}")
            continue
        # A library that waits for ever is not to hold up the rest.
        late = threading.Timer(150, _give_up, [name])
        late.start()
        try:
            function(connect(*endpoints[0]))
        except Exception:
            say("failed", traceback.format_exc())
        else:
            say("passed")
        finally:
            late.cancel()
    say("end", len(_checks))
    sys.stdout.flush()


def _give_up(name):
    say("failed", f"{name} does not come to its end")
    os._exit(1)


def say(*words):
    print(json.dumps(words, separators=(",", ":")), flush=True)


def ask(what):
    """Asks for `kill-leader` or `revive`; returns when it is done."""
    say("ask", what)
    sys.stdin.readline()


def equal(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


@contextlib.contextmanager
def fails(kind, text=""):
    """Asserts that what is done inside fails with this exception, and this in its text."""
    try:
        yield
    except kind as failure:
        # What a client makes of the server's answer may keep its text only in what it was made from.
        said = f"{failure} {getattr(failure, 'detail_text', '')} {failure.__cause__} {failure.__context__}"
        assert text in said, f"{text!r} is not in {said!r}"
    else:
        raise AssertionError(f"no {kind.__name__}")


def eventually(condition):
    deadline = time.monotonic() + 60
    last = None
    while True:
        try:
            if condition():
                return
        except Exception as failure:
            last = failure
        if time.monotonic() > deadline:
            raise AssertionError("did not become true in time") from last
        time.sleep(0.05)
