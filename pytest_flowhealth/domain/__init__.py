"""The domain: status, units, statistics, threshold, measurement, verdict, report.

Pure: nothing here knows pytest, does input or output, or reads a clock.
"""
