"""Encrypts and decrypts with boto3, by keys that it makes: keys.py"""
import os

import boto3
import botocore.exceptions

kms = boto3.client("kms", region_name="us-east-1", endpoint_url=os.environ["AWS_ENDPOINT_URL"])


def refused(code, call, **given):
    """Calls what must be refused, and returns what was said."""
    try:
        call(**given)
    except botocore.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e.response["Error"]["Message"]
    raise AssertionError("carried out, want " + code)


key = kms.create_key(Description="boto3", Tags=[{"TagKey": "team", "TagValue": "films"}])["KeyMetadata"]
assert key["KeyState"] == "Enabled" and key["KeySpec"] == "SYMMETRIC_DEFAULT" and key["KeyManager"] == "CUSTOMER", key
name, context = key["KeyId"], {"service": "mediaconvert.amazonaws.com", "reel": "ä"}
kms.create_alias(AliasName="alias/boto", TargetKeyId=name)
data = kms.generate_data_key(KeyId="alias/boto", KeySpec="AES_256", EncryptionContext=context)
assert len(data["Plaintext"]) == 32 and data["KeyId"] == key["Arn"], data["KeyId"]
assert kms.decrypt(CiphertextBlob=data["CiphertextBlob"], EncryptionContext=context)["Plaintext"] == data["Plaintext"]
refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=data["CiphertextBlob"])
assert kms.decrypt(CiphertextBlob=data["CiphertextBlob"], EncryptionContext=context, KeyId=key["Arn"])["Plaintext"] == data["Plaintext"]
other = kms.create_key()["KeyMetadata"]
refused("IncorrectKeyException", kms.decrypt, CiphertextBlob=data["CiphertextBlob"], EncryptionContext=context, KeyId=other["KeyId"])
moved = kms.re_encrypt(CiphertextBlob=data["CiphertextBlob"], SourceEncryptionContext=context, DestinationKeyId=other["KeyId"])
assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])["Plaintext"] == data["Plaintext"]
names = [k["KeyId"] for page in kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 1}) for k in page["Keys"]]
assert {name, other["KeyId"]} <= set(names) and len(names) == len(set(names)), names
said = refused("NotFoundException", kms.describe_key, KeyId="alias/none")
assert said == "Alias arn:aws:kms:us-east-1:000000000000:alias/none is not found.", said
said = refused("UnsupportedOperationException", kms.create_key, KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
assert said.startswith("Not offered by this installation: KeySpec RSA_2048"), said
refused("UnsupportedOperationException", kms.get_public_key, KeyId=name)
when = kms.schedule_key_deletion(KeyId=other["KeyId"], PendingWindowInDays=7)["DeletionDate"]
assert kms.describe_key(KeyId=other["KeyId"])["KeyMetadata"]["DeletionDate"] == when, when
said = refused("KMSInvalidStateException", kms.encrypt, KeyId=other["KeyId"], Plaintext=b"x")
assert said == other["Arn"] + " is pending deletion.", said
