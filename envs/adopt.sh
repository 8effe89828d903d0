#!/bin/sh
# A virtual environment without pip, made of what a host already has: $1 the environment, $2 the host's Python,
# then folders or a bundle (.tar.xz of envs/bundle.sh) whose packages it takes. Nothing is fetched.
#   sh envs/adopt.sh .venv-vllm /opt/vllm/bin/python
set -eu
venv=$1 python=$2
shift 2
"$python" -m venv --clear --without-pip "$venv"
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
for part in "$@"; do
    case $part in
        *.tar.xz)
            "$python" -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2], filter="data")' "$part" "$site"
            have=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
            [ "$(cat "$site/BUNDLE")" = "$have" ] || { echo "setup: $part is for Python $(cat "$site/BUNDLE"), $python is $have; make one with: make bundle FOR=$have"; exit 1; }
            printf '#!/bin/sh\nexec "$(dirname "$0")/python" -m snakemake "$@"\n' > "$venv/bin/snakemake"
            chmod +x "$venv/bin/snakemake"
            ;;
        *) (cd "$part" && pwd) >> "$site/adopted.pth" ;;
    esac
done
# The packages of the Python itself, a virtual environment's too (which --system-site-packages would not reach).
if [ $# -eq 0 ] || [ "${ADOPT_HOST:-}" ]; then
    "$python" -c 'import site; print("\n".join(site.getsitepackages()))' >> "$site/adopted.pth"
fi
