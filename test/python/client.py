"""Carries out a script of operations with boto3 and prints what it got: client.py SCRIPT VARIABLES

Both are JSON: SCRIPT is a list of {call, input, keep}, VARIABLES are the values of the words in input that begin with $. A call that the
model of this boto3 does not know gives null.
"""
import datetime
import functools
import json
import os
import sys
import time

import boto3
import botocore
import botocore.exceptions

with open(sys.argv[1]) as f:
    steps = json.load(f)
variables = json.loads(sys.argv[2])
client = boto3.client("mediaconvert", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
known = client.meta.service_model.operation_names


def fill(v):
    if isinstance(v, str):
        return variables[v] if v.startswith("$") else v
    if isinstance(v, list):
        return [fill(x) for x in v]
    if isinstance(v, dict):
        return {k: fill(x) for k, x in v.items()}
    return v


def send(name, given):
    output = getattr(client, botocore.xform_name(name))(**given)
    del output["ResponseMetadata"]
    return output


results = []
for step in steps:
    if step["call"] not in known:
        results.append(None)
        continue
    given = fill(step.get("input", {}))
    try:
        output = send(step["call"], given)
        while "until" in step and output["Job"]["Status"] not in step["until"]:
            time.sleep(0.1)
            output = send(step["call"], given)
        for name, path in step.get("keep", {}).items():
            variables[name] = functools.reduce(lambda o, k: o[k], path, output)
        results.append({"output": output})
    except botocore.exceptions.ClientError as e:
        results.append({"error": e.response["Error"]["Code"], "message": e.response["Error"]["Message"]})
json.dump(results, sys.stdout, default=lambda o: o.timestamp() if isinstance(o, datetime.datetime) else str(o))
