#!/usr/bin/env bash
# The main job on a fresh server: a film from s3:// becomes an MP4, an Apple HLS package and thumbnails on s3://, through the AWS CLI alone. The job is
# submitted by a user who may do that and nothing else, with a role that may read the one film and write the one prefix.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
server=
cleanup() {
	if [ -n "$server" ]; then kill "$server" 2>/dev/null || :; wait "$server" 2>/dev/null || :; fi
	rm -rf "$work"
}
trap cleanup EXIT
step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

step "1. start the server on an empty directory"
bin/darkroom serve --data "$work/data" --listen 127.0.0.1:0 --keyserver >"$work/out" 2>"$work/log" &
server=$!
for _ in $(seq 300); do
	grep -q 'listening on' "$work/out" && break
	kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
	sleep 0.1
done
head -n 1 "$work/out"
eval "$(bin/darkroom env --data "$work/data")"

step "2. a film: Big Buck Bunny, ten seconds"
film=$(go list -m -f '{{.Dir}}' github.com/Eyevinn/mp4ff)/mp4/testdata/bbb_prog_10s.mp4
aws s3 mb s3://films
aws s3 cp --no-progress "$film" s3://films/in/bunny.mp4

step "3. a role that may read the film and write below out/, and a user who may submit jobs with it (docs/examples/iam)"
admin() { aws --profile admin "$@"; }
admin iam create-role --role-name FilmRole --assume-role-policy-document file://docs/examples/iam/trust.json --query Role.Arn --output text
admin iam put-role-policy --role-name FilmRole --policy-name film --policy-document file://docs/examples/iam/role.json
admin iam create-user --user-name submitter --query User.Arn --output text
admin iam put-user-policy --user-name submitter --policy-name submit --policy-document file://docs/examples/iam/submitter.json
bin/darkroom policy lint docs/examples/iam/submitter.json | sed 's/^/  lint: /'
(
	umask 077
	admin iam create-access-key --user-name submitter --query 'AccessKey.[AccessKeyId,SecretAccessKey]' --output text |
		{ read -r id key && printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$id" "$key"; } >"$work/submitter"
)
# The server's own credentials file has the root and the administrator; this user has a file of their own.
submitter() { AWS_SHARED_CREDENTIALS_FILE=$work/submitter aws "$@"; }

step "4. create the job (docs/examples/first-job.json, as MediaConvert's console would export it), as that user"
submitter mediaconvert create-job --cli-input-json file://docs/examples/first-job.json --role arn:aws:iam::000000000000:role/FilmRole --query 'Job.{Id:Id,Status:Status,Queue:Queue}' --output table
id=$(submitter mediaconvert list-jobs --max-results 1 --query 'Jobs[0].Id' --output text)
status=SUBMITTED
while [ "$status" = SUBMITTED ] || [ "$status" = PROGRESSING ]; do
	read -r status percent phase <<<"$(submitter mediaconvert get-job --id "$id" --query 'Job.[Status,JobPercentComplete,CurrentPhase]' --output text)"
	[ "$status" = COMPLETE ] && percent=100
	[ "$percent" = None ] && percent=0
	full=$((percent * 40 / 100))
	printf '\r  [%s%s] %3d%% %-12s' "$(printf '%*s' "$full" '' | tr ' ' '#')" "$(printf '%*s' $((40 - full)) '' | tr ' ' '.')" "$percent" "${phase/None/$status}"
done
printf '\n  %s\n' "$status"
if [ "$status" != COMPLETE ]; then
	aws mediaconvert get-job --id "$id" --query 'Job.[ErrorCode,ErrorMessage]' --output text
	exit 1
fi

step "5. what that user may not do, and why"
if submitter mediaconvert create-queue --name mine 2>"$work/denied"; then echo "the user made a queue, which nobody allowed" >&2; exit 1; fi
sed '/^$/d; s/^/  /' "$work/denied"
if submitter s3 cp s3://films/in/bunny.mp4 "$work/stolen.mp4" >"$work/denied" 2>&1; then echo "the user read the film, which nobody allowed" >&2; exit 1; fi
sed '/^$/d; s/^/  /' "$work/denied"
bin/darkroom policy explain --policy docs/examples/iam/submitter.json --principal arn:aws:iam::000000000000:user/submitter \
	--action mediaconvert:CreateQueue --resource '*' | sed 's/^/  /'

step "6. a preset, a template, and a job from them (docs/examples)"
bin/darkroom lint docs/examples/first-job.json | sed 's/^/  lint: /' || exit 1
aws mediaconvert create-preset --cli-input-json file://docs/examples/preset.json --query 'Preset.Arn' --output text
aws mediaconvert create-job-template --cli-input-json file://docs/examples/job-template.json --query 'JobTemplate.Arn' --output text
id=$(aws mediaconvert create-job --role arn:aws:iam::000000000000:role/MediaConvert_Default_Role --job-template look \
	--settings '{"Inputs":[{"FileInput":"s3://films/in/bunny.mp4"}]}' --query Job.Id --output text)
status=SUBMITTED
while [ "$status" = SUBMITTED ] || [ "$status" = PROGRESSING ]; do
	status=$(aws mediaconvert get-job --id "$id" --query 'Job.Status' --output text)
done
echo "$status"
[ "$status" = COMPLETE ] || exit 1

step "7. a film that is encrypted before it is uploaded, and an output under a key of the key service (docs/examples/encryption)"
AWS_PROFILE=admin docs/examples/encryption/walk-through.sh "$film" | sed 's/^/  /'

step "8. a CMAF package encrypted with keys over SPEKE v2 from the key server in the box (docs/examples/drm)"
AWS_PROFILE=admin docs/examples/drm/walk-through.sh | sed 's/^/  /'
address=$(AWS_PROFILE=admin bin/darkroom play --data "$work/data" s3://films/out/drm/bunny.mpd 2>"$work/said")
sed 's/^/  /' "$work/said"
printf '  %s…\n' "${address:0:72}"

step "9. what came out"
aws s3 ls --recursive --human-readable s3://films/out/

step "10. does it play, and does it keep the rules?"
aws s3 cp --no-progress --quiet --recursive s3://films/out/ "$work/got/"
check() { # check FILE: decode all of it
	ffmpeg -v error -xerror -i "$1" -f null - </dev/null
	printf '  %-28s %s\n' "${1#"$work/got/"}" "$(ffprobe -v error -show_entries stream=codec_name,width,height -of compact=nk=1:p=0 "$1" | tr '|\n' ' ,' | sed 's/,$//')"
}
check "$work/got/mp4/bunny.mp4"
check "$work/got/encrypted/film.mp4"
for m in "$work"/got/look/*.mp4; do check "$m"; done
for m in "$work"/got/hls/bunny_*.m3u8; do check "$m"; done
check "$work/got/thumbs/bunny.0000000.jpg"
for p in hls drm; do printf '  %-28s ' "$p"; bin/darkroom validate "$work/got/$p"; done
cat "$work"/got/drm/bunny_360init.cmfv "$work"/got/drm/bunny_360_*.cmfv >"$work/drm.mp4"
if ffmpeg -v error -xerror -i "$work/drm.mp4" -f null - 2>/dev/null </dev/null; then echo "the encrypted package plays without a key" >&2; exit 1; fi
python3 - "$work/got/mp4/bunny.mp4" <<'P' 2>/dev/null || :
import sys
b = open(sys.argv[1], 'rb').read()
print('  bunny.mp4 begins to play at once: the index stands before the media' if b.find(b'moov') < b.find(b'mdat') else '  the index is behind the media')
P

step "11. the proof: who was refused, and a report for an assessor with its evidence, signed"
bin/darkroom audit query --data "$work/data" --outcome denied --principal arn:aws:iam::000000000000:user/submitter --limit 3 | sed 's/^/  /'
bin/darkroom comply --data "$work/data" --framework mpa --format pdf --out "$work/mpa.pdf" --evidence "$work/evidence.tar.gz" 2>&1 | sed 's/^/  /'
bin/darkroom comply verify "$work/evidence.tar.gz" --data "$work/data" 2>&1 | sed 's/^/  /'
[ "$(head -c 5 "$work/mpa.pdf")" = %PDF- ] || exit 1

step "Go on by hand"
cat <<'TEXT'
  bin/darkroom serve --data ./darkroom-data --keyserver &
  eval "$(bin/darkroom env --data ./darkroom-data)"
  aws s3 mb s3://films && aws s3 cp FILM.mp4 s3://films/in/bunny.mp4
  aws mediaconvert create-job --cli-input-json file://docs/examples/first-job.json
  aws mediaconvert list-jobs
  AWS_PROFILE=admin docs/examples/drm/walk-through.sh
  bin/darkroom play --data ./darkroom-data s3://films/out/drm/bunny.mpd     # an address: open it in a browser that trusts ./darkroom-data/tls/ca.pem
TEXT
