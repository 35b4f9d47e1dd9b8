#!/usr/bin/env bash
# Installs the named tools where they are missing (Debian's apt-get, as root or through sudo -n), and says so. Without the rights to
# install it says what to install and stops.
set -euo pipefail
packages=()
need() { # need PACKAGES CHECK...: PACKAGES when CHECK fails
	local p=$1
	shift
	"$@" >/dev/null 2>&1 || packages+=($p)
}
cli2() { local p; for p in aws /usr/bin/aws; do case "$("$p" --version 2>&1)" in aws-cli/2.*) return ;; esac; done; return 1; }
for tool in "$@"; do
	case $tool in
	poppler) need poppler-utils command -v pdftotext ;; # reads the PDF of a report
	ffmpeg) need ffmpeg command -v ffmpeg ;;
	aws) need awscli command -v aws ;;
	aws2) need awscli cli2 ;; # the tests want version 2, wherever it stands, beside whatever the PATH finds first
	curl) need curl command -v curl ;;
	boto3) need python3-boto3 /usr/bin/python3 -c 'import boto3' ;; # the python that the tests run, whatever the PATH finds first
	cryptography) need python3-cryptography /usr/bin/python3 -c 'import cryptography' ;;
	openssl) need openssl command -v openssl ;;
	gcc) need "gcc libc6-dev" command -v gcc ;;
	chromium) need chromium command -v chromium ;;
	node) need "nodejs npm" command -v npm ;;
	prometheus) need prometheus command -v promtool ;; # promtool is in the same package
	*) echo "deps.sh: unknown tool $tool" >&2 && exit 2 ;;
	esac
done
[ ${#packages[@]} -eq 0 ] && exit 0
sudo=()
if [ "$(id -u)" -ne 0 ]; then
	if ! sudo -n true 2>/dev/null; then
		echo "missing: ${packages[*]}. Install them (Debian: apt-get install ${packages[*]}) and run this again." >&2
		exit 1
	fi
	sudo=(sudo -n)
fi
command -v apt-get >/dev/null || { echo "missing: ${packages[*]}. This is no Debian; install them by its own means and run this again." >&2 && exit 1; }
echo "installing ${packages[*]} (apt-get)"
log=$(mktemp)
if ! { "${sudo[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	exit 1
fi
rm -f "$log"
