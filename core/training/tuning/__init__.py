"""The rungs that fine-tune the model itself.

In the order of reading: ``tune`` (a rung from rows to standing), ``rows`` (what it is taught),
``learn`` (what every process of it does), ``fit`` (the library's trainer with its traps closed), ``course`` (curve, best weights,
checkpoints); then the parts that these put together: ``loss``, ``batches`` and ``collate``, ``freezing`` and ``lora`` (which
weights learn), ``ranks`` (several processes).
"""
