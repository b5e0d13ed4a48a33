# Sourced: `wheels` is the ROS 2 distribution of the wheels, and `venv` their environment in this repository.
wheels=${ROS:-kilted}
venv=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.venv
[[ $wheels = kilted ]] || venv+=-$wheels
