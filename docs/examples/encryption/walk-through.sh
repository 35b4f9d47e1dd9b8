#!/usr/bin/env bash
# A film that is encrypted before it leaves this shell, and outputs under a key of the key service: client-side encryption as the MediaConvert user guide
# tells it ("Implementing client-side encryption"), with nothing but openssl and the AWS CLI, as an administrator of the account.
#
# usage: walk-through.sh FILM.mp4     in a shell with eval "$(darkroom env --data DIR)"; the bucket films is there
set -euo pipefail
film=$1
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077
aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; } # also for those that do not know the variable
hex() { od -An -v -tx1 | tr -d ' \n'; }

# A key of the key service, which never leaves it, and a data key under it for this one film. The context is what MediaConvert will ask with.
key=$(aws kms create-key --description films --query KeyMetadata.Arn --output text)
aws kms generate-data-key --key-id "$key" --key-spec AES_256 --encryption-context service=mediaconvert.amazonaws.com \
	--query '[Plaintext,CiphertextBlob]' --output text >"$work/pair"
cut -f1 "$work/pair" | base64 -d >"$work/data-key"
sealed=$(cut -f2 "$work/pair")

# The film is encrypted here; the clear data key is used once and forgotten. (openssl takes keys as arguments, which others on a machine can read: do
# this where nobody else is.)
openssl rand -out "$work/iv" 16
openssl enc -aes-256-ctr -K "$(hex <"$work/data-key")" -iv "$(hex <"$work/iv")" -in "$film" -out "$work/film.enc"
rm "$work/data-key" "$work/pair"
aws s3 cp --no-progress "$work/film.enc" s3://films/encrypted/film.mp4

# A role that may have data keys of inputs decrypted, and use keys for outputs through S3 alone.
aws iam get-role --role-name EncryptedFilms --query Role.Arn --output text 2>/dev/null ||
	aws iam create-role --role-name EncryptedFilms --assume-role-policy-document "file://$here/../iam/trust.json" --query Role.Arn --output text
aws iam put-role-policy --role-name EncryptedFilms --policy-name films --policy-document "file://$here/role.json"

cat >"$work/job.json" <<JSON
{
  "Role": "arn:aws:iam::000000000000:role/EncryptedFilms",
  "Settings": {
    "Inputs": [{
      "FileInput": "s3://films/encrypted/film.mp4",
      "DecryptionSettings": {
        "DecryptionMode": "AES_CTR", "EncryptedDecryptionKey": "$sealed", "InitializationVector": "$(base64 -w0 <"$work/iv")"
      },
      "AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT"}}
    }],
    "OutputGroups": [{
      "OutputGroupSettings": {"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": {
        "Destination": "s3://films/out/encrypted/",
        "DestinationSettings": {"S3Settings": {"Encryption": {"EncryptionType": "SERVER_SIDE_ENCRYPTION_KMS", "KmsKeyArn": "$key"}}}
      }},
      "Outputs": [{
        "ContainerSettings": {"Container": "MP4"},
        "VideoDescription": {"Width": 640, "Height": 360, "CodecSettings": {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 1000000}}},
        "AudioDescriptions": [{"CodecSettings": {"Codec": "AAC", "AacSettings": {"Bitrate": 96000, "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000}}}]
      }]
    }]
  }
}
JSON
id=$(aws mediaconvert create-job --cli-input-json "file://$work/job.json" --query Job.Id --output text)
status=SUBMITTED
while [ "$status" = SUBMITTED ] || [ "$status" = PROGRESSING ]; do
	status=$(aws mediaconvert get-job --id "$id" --query Job.Status --output text)
done
aws mediaconvert get-job --id "$id" --query 'Job.[Id,Status,ErrorCode,ErrorMessage]' --output text
[ "$status" = COMPLETE ]
aws s3api head-object --bucket films --key out/encrypted/film.mp4 --query '[ServerSideEncryption,SSEKMSKeyId]' --output text

# Without the key nobody reads the output, not even who may read the object.
aws kms disable-key --key-id "$key"
if aws s3 cp --no-progress s3://films/out/encrypted/film.mp4 "$work/stolen.mp4" 2>"$work/denied"; then
	echo "the output was read under a key that is disabled" >&2
	exit 1
fi
sed '/^$/d; s/^/  /' "$work/denied"
aws kms enable-key --key-id "$key"
