"""One file a subject. A view reads the form, calls one function and shows what came of it."""
