#!/usr/bin/env bash
# A CMAF package encrypted with keys that the job's role fetches over SPEKE v2 from the key server in the box, and who may see it. The key server signals Widevine,
# PlayReady and FairPlay, and is a licence server of none of them: what it answers itself are W3C Clear Key and HLS keys.
#
# usage: walk-through.sh     as an administrator, in a shell with eval "$(darkroom env --data DIR)" of a server that runs with --keyserver; s3://films/in/bunny.mp4 is there
set -euo pipefail
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; } # also for those that do not know the variable

aws iam get-role --role-name DRMFilms --query Role.Arn --output text 2>/dev/null ||
	aws iam create-role --role-name DRMFilms --assume-role-policy-document "file://$here/../iam/trust.json" --query Role.Arn --output text
aws iam put-role-policy --role-name DRMFilms --policy-name films --policy-document "file://$here/role.json"

sed "s#https://127.0.0.1:9443/#$AWS_ENDPOINT_URL/#" "$here/job.json" >"$work/job.json"
id=$(aws mediaconvert create-job --cli-input-json "file://$work/job.json" --query Job.Id --output text)
status=SUBMITTED
while [ "$status" = SUBMITTED ] || [ "$status" = PROGRESSING ]; do
	status=$(aws mediaconvert get-job --id "$id" --query Job.Status --output text)
done
echo "$status"
if [ "$status" != COMPLETE ]; then
	aws mediaconvert get-job --id "$id" --query 'Job.[ErrorCode,ErrorMessage]' --output text
	exit 1
fi
aws s3 cp --no-progress --quiet s3://films/out/drm/bunny.mpd - | grep -E 'mp4protection|<Representation' | sed 's/^ *//' | cut -c1-150
