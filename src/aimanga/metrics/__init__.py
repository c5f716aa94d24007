"""How good a picture is, in numbers; one metric a file, all of them in the catalogue."""
