// What peer_face_api.py has Node run: node peer_face_api.js PACKAGES pictures|faces RGB_FILE COUNT HEIGHT WIDTH
"use strict";
const fs = require("fs");
const path = require("path");
const [packages, what, file, count, height, width] = process.argv.slice(2);
const load = (name) => require(path.join(packages, name));
const tf = load("@tensorflow/tfjs");
const wasm = load("@tensorflow/tfjs-backend-wasm");

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function peakMb() {
  const line = fs.readFileSync("/proc/self/status", "utf8").split("\n").find((one) => one.startsWith("VmHWM"));
  return Number(line.split(/\s+/)[1]) * 1.024e-3;
}

async function main() {
  wasm.setWasmPaths(path.join(packages, "@tensorflow/tfjs-backend-wasm/dist/"));
  wasm.setThreadsCount(1);
  await tf.setBackend("wasm");
  await tf.ready();
  const faceapi = load("@vladmandic/face-api/dist/face-api.node-wasm.js");
  const weights = path.join(packages, "@vladmandic/face-api/model");
  await faceapi.nets.tinyFaceDetector.loadFromDisk(weights);
  await faceapi.nets.faceExpressionNet.loadFromDisk(weights);
  const options = new faceapi.TinyFaceDetectorOptions({ inputSize: 416 }); // its defaults
  const read = what === "pictures"
    ? (picture) => faceapi.detectSingleFace(picture, options).withFaceExpressions()
    : (picture) => faceapi.nets.faceExpressionNet.predictExpressions(picture);

  const shape = [Number(height), Number(width), 3];
  const pixels = Buffer.alloc(shape[0] * shape[1] * 3);
  const source = fs.openSync(file);
  const spent = [];
  const said = [];
  let found = 0;
  for (let index = -1; index < Number(count); index += 1) { // the first one is read twice: loading is not measured
    fs.readSync(source, pixels, 0, pixels.length, Math.max(index, 0) * pixels.length);
    const before = cpuMs();
    const picture = tf.tensor3d(pixels, shape, "int32");
    const seen = await read(picture);
    tf.dispose(picture);
    if (index < 0) continue;
    spent.push(cpuMs() - before);
    if (what === "pictures") found += seen ? 1 : 0;
    else said.push(seen.asSortedArray()[0].expression);
  }
  console.log(JSON.stringify(what === "pictures"
    ? { cpu_ms_per_picture: median(spent), found: found / Number(count), rss_mb: peakMb() }
    : { said, cpu_ms: median(spent), rss_mb: peakMb() }));
}

main().catch((error) => { console.error(String(error)); process.exit(1); });
