#!/usr/bin/env bash
# Starts bin/edgegw for trying things out: development mode, this machine only,
# everything it keeps in ./data. `make run` builds it first.
#
#   PORT=8080 DATA_DIR=./data scripts/run.sh [more flags of edgegw serve]
set -euo pipefail
cd "$(dirname "$0")/.."

port=${PORT:-8080}
data=${DATA_DIR:-./data}
if ! [[ $port =~ ^[0-9]{1,5}$ ]] || ((10#$port < 1 || 10#$port > 65535)); then
    echo "run: PORT is \"$port\"; it has to be a number from 1 to 65535" >&2
    exit 2
fi
if ! [ -x bin/edgegw ]; then
    echo "run: bin/edgegw is missing; build it with: make build" >&2
    exit 1
fi
if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "run: port $port is taken by another program; choose one with: make run PORT=$((10#$port % 65535 + 1))" >&2
    exit 1
fi

mkdir -p "$data"
chmod 700 "$data"
password=$data/admin-password
# With identities on disk there has been an admin; a new password file would
# then only mislead.
if ! [ -e "$password" ] && ! [ -e "$data/identity.db" ]; then
    (umask 077 && head -c 24 /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_' >"$password")
fi

export EDGEGW_ENV=development EDGEGW_LISTEN=127.0.0.1:$port EDGEGW_DATA_DIR=$data
if [ -e "$password" ]; then
    export EDGEGW_ADMIN_PASSWORD_FILE=$password
    login_hint="The first password of \"admin\" is in $password."
else
    login_hint="Forgotten the password of \"admin\"?  bin/edgegw user passwd admin --data-dir $data"
fi

url=http://127.0.0.1:$port
cat <<END
edgegw starts at $url (Ctrl-C stops it). $login_hint

Log in, and ask who you are:

  TOKEN=\$(curl -s $url/auth/login -H 'Content-Type: application/json' \\
    -d "{\"username\":\"admin\",\"password\":\"\$(cat $password)\"}" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -s $url/auth/me -H "Authorization: Bearer \$TOKEN"

Connect, from the console of a browser that shows $url/health, or from Node.js 22:

  token = "...the TOKEN of above..."
  ws = new WebSocket("ws://127.0.0.1:$port/ws?room=lobby", ["bearer", token])
  ws.onmessage = e => console.log(e.data)
  ws.onopen = () => ws.send("Hello room!")

Read what was said:

  curl -s "$url/rooms/lobby/messages?limit=10" -H "Authorization: Bearer \$TOKEN"

END
# The gateway takes this shell's place, so that signals reach it and nothing else.
exec bin/edgegw serve "$@"
