"""The other end: takes in what devices perceive, reasons with it and speaks back. Of `edge` it knows only the wire."""
