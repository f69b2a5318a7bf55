# SPDX-License-Identifier: Apache-2.0
"""tap.py - tests as functions, results as TAP.

    @test("what it shows")
    def _(...): ...             an exception is a failure; raise Skip("why") is a skip

    main()                      or main(NAME...) for those whose description contains one of the words
"""
import os
import signal
import sys
import threading
import traceback

TIMEOUT = 120
tests = []

# What a real agent has sent and got.
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAPTURES = f"{os.path.dirname(TOP)}/shared/corpus/mesos-wire"
NO_CAPTURES = "the captures of a real agent are not beside this checkout"


class Skip(Exception):
    """This test cannot be run here."""


class Timeout(Exception):
    """It took too long."""


def test(name, timeout=TIMEOUT, **marks):
    def add(function):
        tests.append((name, function, timeout, marks))
        return function
    return add


def equal(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what}{': ' if what else ''}got {got!r}, wanted {wanted!r}")


def contains(text, part):
    if part not in (text or ""):
        raise AssertionError(f"{part!r} is not in {text!r}")


def _too_long(number, frame):
    raise Timeout("took too long")


def _skip_all(why):
    print(f"1..1\nok 1 - all of it # SKIP {why}", flush=True)


def run(function, around, timeout, marks):
    """What it has to say for itself: (failed, skipped because, lines)."""
    signal.alarm(timeout)
    try:
        with around(marks) as fixture:
            function(fixture)
        return False, None, []
    except Skip as e:
        return False, str(e), []
    except (Exception, KeyboardInterrupt) as e: # pylint: disable=broad-except # a failed test must not end the others
        lines = [line.rstrip() for line in traceback.format_exception(e)][-6:]
        return True, None, lines + [""] + getattr(e, "story", [])
    finally:
        signal.alarm(0)


def main(around, skip=None):
    """AROUND(marks) is a context manager, made for each test; what it yields is the test's argument."""
    signal.signal(signal.SIGALRM, _too_long)
    # An exception in a thread of the agent's is a failure of the test during which it came.
    threads = []
    threading.excepthook = lambda args: threads.append("".join(traceback.format_exception(args.exc_value)))
    words = sys.argv[1:]
    chosen = [t for t in tests if not words or any(w in t[0] for w in words)]
    if skip:
        return _skip_all(skip)
    print(f"1..{len(chosen)}", flush=True)
    bad = 0
    for n, (name, function, timeout, marks) in enumerate(chosen, 1):
        failed, skipped, lines = run(function, around, timeout, marks)
        if threads:
            failed, lines = True, lines + threads
            threads = []
        bad += failed
        for line in lines:
            print("\n".join(f"# {x}" for x in line.split("\n")))
        print(f"{'not ' if failed else ''}ok {n} - {name}{f' # SKIP {skipped}' if skipped else ''}", flush=True)
    return sys.exit(1 if bad else 0)
