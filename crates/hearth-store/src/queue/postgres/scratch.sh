# Starts a PostgreSQL of its own, says where its socket is, and stops and removes it when standard
# input ends: that happens however whoever started this ends. The argument is where the programs are.
set -eu
place=$(mktemp -d /tmp/hearth-postgres.XXXXXX)
trap 'rm -rf "$place"' EXIT

logged() {
    "$@" >>"$place/log" 2>&1 || {
        cat "$place/log" >&2
        exit 1
    }
}

cd /
logged "$1/initdb" --pgdata="$place/data" --username=hearth --auth=trust --encoding=UTF8 --locale=C --no-sync
logged "$1/pg_ctl" --pgdata="$place/data" --log="$place/log" --wait --timeout=120 \
    --options="-k $place -p 5432 -c listen_addresses= -c max_connections=200" start
echo "$place"
cat >/dev/null
"$1/pg_ctl" --pgdata="$place/data" --mode=immediate --wait stop >/dev/null 2>&1
