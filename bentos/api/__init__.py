"""The REST service behind BentoML: settings, bodies, answers, the channel, metrics, and the application of them all."""
