"""All commands of the command line."""


def parsers(parser, name="mixformer"):
    """A parser and all within it, by the words that lead to each."""
    yield name, parser
    for word, within in (parser._subcommands_action._name_parser_map if parser._subcommands_action else {}).items():
        yield from parsers(within, f"{name} {word}")
