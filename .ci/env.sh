# Sourced (bash): puts the set-up of .ci/setup.sh on the paths of this shell. ROS chooses among wheels, as there.
_sam2_ros=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$_sam2_ros/.ci/wheels.sh"

if [[ -n ${ROS_DISTRO:-} && -n ${AMENT_PREFIX_PATH:-} ]]; then
    case $- in *u*) set +u; source "$_sam2_ros/install/setup.bash"; set -u ;; *) source "$_sam2_ros/install/setup.bash" ;; esac
else
    export AMENT_PREFIX_PATH=$venv RMW_IMPLEMENTATION=rmw_fastrtps_cpp
fi
source "$venv/bin/activate"

# Fast DDS's default transport loses nearly every best-effort camera image; this one delivers them.
export FASTDDS_BUILTIN_TRANSPORTS=${FASTDDS_BUILTIN_TRANSPORTS:-LARGE_DATA}
unset _sam2_ros wheels venv
unset PYTHONDONTWRITEBYTECODE # some machines set it; then each of a hundred processes of the tests compiles the package
