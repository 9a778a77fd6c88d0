"""The contract services on this SDK: the names and behaviours that every SDK's services have.

Written as a user would write them: functions and classes, typed values, `async def` and `def`.
"""
