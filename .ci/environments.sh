# What the scripts of this folder share; to be sourced in the root of the checkout.

SUPPORTED="3.11 3.12 3.13"

# fresh PYTHON FOLDER: a fresh environment in build/FOLDER, made the active one.
fresh() {
    "$1" -m venv --clear "build/$2"
    . "build/$2/bin/activate"
}

# The path of a Python of this version, on the path or under pyenv; nothing where there is none.
python_of() {
    local root candidate
    root=$(pyenv root 2>/dev/null || true)
    for candidate in "python$1" "$root"/versions/"$1"*/bin/"python$1"; do
        if "$candidate" -c "import sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

# Wheel and source archive in build/release, by the hatchling of the active environment; `wheel` is the wheel's path.
build_release() {
    rm -rf build/release
    python -m hatchling build -d build/release
    wheel=$(echo "$PWD"/build/release/neuro_mpc-*-py3-none-any.whl)
}
