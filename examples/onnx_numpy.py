"""Fuse and label a pair with an exported file, onnxruntime and numpy alone (Pillow reads and writes the pictures).

    segmif export segmif-lite -o segmif-lite.onnx
    python onnx_numpy.py segmif-lite.onnx infrared.png visible.png out

writes out_fused.png and out_labels.png.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image

model, infrared_file, visible_file, out = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map

visible = np.asarray(Image.open(visible_file).convert("RGB"), np.float32) / 255  # (H, W, 3)
size = visible.shape[1], visible.shape[0]
infrared = np.asarray(Image.open(infrared_file).convert("L").resize(size), np.float32) / 255  # (H, W)

feeds = {"infrared": infrared[None, None], "visible": visible.transpose(2, 0, 1)[None]}
if about["guide_source"] == "input":  # the file wants its guide made outside: here the brighter of both
    feeds["guide"] = np.maximum(infrared, visible @ np.float32([0.299, 0.587, 0.114]))[None, None]
fused, labels = session.run(["fused_rgb", "labels"], feeds)

Image.fromarray(np.rint(fused[0].transpose(1, 2, 0) * 255).astype(np.uint8)).save(f"{out}_fused.png")
picture = Image.fromarray(labels[0]).convert("P")
picture.putpalette([value for colour in json.loads(about["palette"]) for value in colour])
picture.save(f"{out}_labels.png")
classes = json.loads(about["classes"])
shares = np.bincount(labels.ravel(), minlength=len(classes)) / labels.size
print(", ".join(f"{classes[i]} {shares[i]:.0%}" for i in np.argsort(-shares)[:3]))
