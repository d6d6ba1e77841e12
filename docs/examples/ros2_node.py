"""A ROS 2 node that publishes Mien's event stream. Needs rclpy; imports nothing of Mien.

ros2 run … or: python3 ros2_node.py --ros-args -p socket:=/run/mien/events.sock
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any


def read(path: str) -> Iterator[dict[str, Any]]:
    """Objects of the event stream at `path`, until it ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.connect(path)
        with channel.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def valence_arousal(state: dict[str, Any]) -> tuple[float, float] | None:
    """Valence and arousal (-1 … 1) of a state, or None while they are unknown or unclear."""
    affect = state.get("fused")
    if affect is None or affect["unclear"]:
        return None
    return affect["valence"], affect["arousal"]


def main() -> None:
    """Run the node."""
    import threading

    import rclpy
    from geometry_msgs.msg import PointStamped
    from rclpy.node import Node
    from std_msgs.msg import String

    rclpy.init()
    node = Node("mien")
    node.declare_parameter("socket", "/run/mien/events.sock")
    states = node.create_publisher(String, "mien/state", 10)
    events = node.create_publisher(String, "mien/event", 10)
    points = node.create_publisher(PointStamped, "mien/valence_arousal", 10)

    def publish() -> None:
        for line in read(node.get_parameter("socket").value):
            if line["type"] == "state":
                states.publish(String(data=json.dumps(line)))
                found = valence_arousal(line)
                if found is not None:
                    point = PointStamped()
                    point.header.stamp = node.get_clock().now().to_msg()
                    point.header.frame_id = f"person_{line['person']}"
                    point.point.x, point.point.y = found
                    points.publish(point)
            elif line["type"] == "event":
                events.publish(String(data=json.dumps(line)))
        node.get_logger().warning("the event stream ended")

    threading.Thread(target=publish, daemon=True).start()
    rclpy.spin(node)


if __name__ == "__main__":
    main()
