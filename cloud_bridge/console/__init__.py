"""The console: one web page over the fleet, served by the bridge; `page` holds it, as plain HTML, CSS and scripts."""
