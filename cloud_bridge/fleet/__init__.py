"""Several bridges as one: any of them takes any device, and one that dies takes no turn with it. Redis or Valkey holds
what they share; a single bridge needs none of this."""
