"""One file per language of the descriptions; its name is the language's code. `edge.languages.en` shows the shape."""
