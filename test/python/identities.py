"""Makes a user and a role with boto3, and works in the role by the profiles of a configuration file: identities.py CONFIGURATION

The file has the profiles editor and impostor, whose source profile, mara, is added here.
"""
import json
import os
import sys

import boto3
import botocore.exceptions

ACCOUNT = "000000000000"
url = os.environ["AWS_ENDPOINT_URL"]


def client(name, profile):
    return boto3.session.Session(profile_name=profile).client(name, endpoint_url=url)


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def refused(code, call, **given):
    """Calls what must be refused, and returns what was said."""
    try:
        call(**given)
    except botocore.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e.response["Error"]["Message"]
    raise AssertionError("carried out, want " + code)


people = client("iam", "admin")
user = people.create_user(UserName="mara")["User"]
key = people.create_access_key(UserName="mara")["AccessKey"]
with open(sys.argv[1], "a") as f:
    f.write("[profile mara]\naws_access_key_id = %s\naws_secret_access_key = %s\n" % (key["AccessKeyId"], key["SecretAccessKey"]))
trust = document({
    "Effect": "Allow", "Principal": {"AWS": user["Arn"]}, "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:ExternalId": "reel-7F3"}},
})
role = people.create_role(RoleName="Editor", AssumeRolePolicyDocument=trust)["Role"]
people.put_role_policy(RoleName="Editor", PolicyName="own", PolicyDocument=document({"Effect": "Allow", "Action": "mediaconvert:ListQueues", "Resource": "*"}))
people.get_waiter("role_exists").wait(RoleName="Editor")
assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["AWS"] == user["Arn"], role

said = refused("AccessDeniedException", client("mediaconvert", "mara").list_queues)
assert said == ("User: arn:aws:iam::%s:user/mara is not authorized to perform: mediaconvert:ListQueues because no identity-based policy allows the "
                "mediaconvert:ListQueues action" % ACCOUNT), said

sts = client("sts", "mara")
given = dict(RoleArn=role["Arn"], RoleSessionName="cut-1")
said = refused("AccessDenied", sts.assume_role, **given)
assert said == "User: arn:aws:iam::%s:user/mara is not authorized to perform: sts:AssumeRole on resource: %s" % (ACCOUNT, role["Arn"]), said
session = sts.assume_role(ExternalId="reel-7F3", **given)["Credentials"]
work = boto3.client("mediaconvert", endpoint_url=url, aws_access_key_id=session["AccessKeyId"], aws_secret_access_key=session["SecretAccessKey"],
                    aws_session_token=session["SessionToken"])
assert [q["Name"] for q in work.list_queues()["Queues"]] == ["Default"]
refused("AccessDeniedException", work.get_queue, Name="Default")
bare = boto3.client("mediaconvert", endpoint_url=url, aws_access_key_id=session["AccessKeyId"], aws_secret_access_key=session["SecretAccessKey"])
refused("UnrecognizedClientException", bare.list_queues)
mixed = boto3.client("mediaconvert", endpoint_url=url, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"],
                     aws_session_token=session["SessionToken"])
refused("UnrecognizedClientException", mixed.list_queues)

# boto3's own way into a role asks STS where it thinks that it is: only one that knows the variable finds this one.
major, minor = (int(n) for n in botocore.__version__.split(".")[:2])
if (major, minor) >= (1, 31):
    assert client("sts", "editor").get_caller_identity()["Arn"] == "arn:aws:sts::%s:assumed-role/Editor/cut-1" % ACCOUNT
    refused("AccessDenied", client("sts", "impostor").get_caller_identity)

try:
    people.get_role(RoleName="Ghost")
    raise AssertionError("a role that is not there")
except people.exceptions.NoSuchEntityException:
    pass
try:
    people.delete_user(UserName="mara")
    raise AssertionError("a user with a key was deleted")
except people.exceptions.DeleteConflictException:
    pass
names = [r["RoleName"] for page in people.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 1}) for r in page["Roles"]]
assert sorted(names) == ["Editor", "MediaConvert_Default_Role"], names
people.update_access_key(UserName="mara", AccessKeyId=key["AccessKeyId"], Status="Inactive")
refused("InvalidClientTokenId", sts.get_caller_identity)
work.list_queues()  # the session is the role's
