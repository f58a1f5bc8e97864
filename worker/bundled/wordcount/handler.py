"""Count the words of a text: text in, `{"words": 3, "top": [["a", 2], ["b", 1]]}` out.

A word is a run of letters, lower-cased; top has the ten most frequent, equals in alphabetical order.
"""

import sys

TOP = 10


def words_of(text):
    gaps = {ord(character): " " for character in set(text) if not character.isalpha()}
    return [word.lower() for word in text.translate(gaps).split()]


def count(words):
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def main():
    try:
        words = words_of(sys.stdin.buffer.read().decode("utf-8"))
    except UnicodeDecodeError as error:
        sys.exit(fail(f"the input is not UTF-8 text: byte {error.start} cannot be read"))
    # Written by hand: a word has letters only, so nothing needs escaping, and the json module would take
    # longer to load than all the rest.
    top = ", ".join(f'["{word}", {n}]' for word, n in count(words)[:TOP])
    sys.stdout.buffer.write(f'{{"words": {len(words)}, "top": [{top}]}}\n'.encode())


def fail(why):
    """What goes to stderr is the function's log; an exit code other than 0 says that it failed."""
    print(why, file=sys.stderr)
    return 2


main()
