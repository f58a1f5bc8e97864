"""Sleep as many seconds as the input says (1 if it says nothing), then tell."""

import sys
import time


def main():
    text = sys.stdin.read().strip() or "1"
    try:
        seconds = float(text)
        time.sleep(seconds)
    except (ValueError, OverflowError):
        print("the input is not a number of seconds", file=sys.stderr)
        sys.exit(2)
    print(f"slept {seconds:g} s")


main()
