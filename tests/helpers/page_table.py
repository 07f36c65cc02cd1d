"""What `tests/test_pages.py` does not run: rows of a page (or "*"), a part of the command or of the code, and why."""

NOT_RUN = [
    ("*", "pip install", "fetches packages; another test checks the names of the extras"),
    ("*", "-m venv", "makes an environment"),
    ("*", ".pth", "needs an official checkpoint, or one of the MAE authors"),
    ("*", "torchrun", "needs several GPUs"),
    ("*", "--device cuda", "needs a GPU"),
    ("*", "--executor ray", "needs the machines of a Ray cluster"),
    ("scale", "ray start", "needs the machines of a Ray cluster"),
    ("official", "mixcvt", "needs an official checkpoint"),
    ("usage", "--help", "prints the options"),
    ("install", "source .venv", "enters an environment of the reader"),
    ("tutorials/webcam", "mixformer track", "needs a camera and a screen, or a second terminal"),
    ("tutorials/webcam", "ffmpeg", "needs a second terminal"),
    ("engines", "pool.map(work, clips)", "a pattern: `work` and `clips` are the reader's"),
    ("engines", "MyEngine", "a pattern: the class is the reader's"),
    ("evaluation", "ExperimentGOT10k", "needs GOT-10k and its toolkit"),
    ("evaluation", "mixformer submit", "needs results on the whole test split"),
    ("evaluation", "opencv", "needs an environment with OpenCV's trackers, and the data pack"),
    ("integrations", "cvat-cli", "needs a server of CVAT"),
    ("integrations", "fiftyone", "needs FiftyOne"),
    ("integrations", "corrected.json", "needs the file of FiftyOne"),
    ("integrations", "podman", "needs a container tool"),
    ("vot", "/vot ", "needs the VOT toolkit and its data"),
    ("benchmarks", "gpu.sh gpu.json", "needs a GPU"),
    ("training", "pipeline included", "needs the data pack"),
    ("recipes", "mixformer pipeline v2-s --out runs/v2_s", "needs the public data sets"),
    ("recipes", "mixformer ablate v2-2", "needs the public data sets"),
    ("pretraining", "recipes/", "needs the public data sets"),
    ("pretraining", "stage(batch", "a pattern: the batch is the reader's"),
    ("finetune", "--minutes 60", "trains for an hour"),
    ("training", "runs/mine", "needs photos and cut-outs of the reader"),
    ("recipes", "runs/narrow", "needs a recipe of the reader"),
    ("evaluation", "LaSOTBenchmark", "needs LaSOT"),
    ("usage", "--root LaSOT", "needs LaSOT"),
    ("report", "LaSOT", "needs LaSOT, and results on it"),
    ("export", "--model v2s", "needs the official checkpoint of the command before it"),
    ("data", "check LaSOT", "needs LaSOT"),
    ("data", "got10k", "needs GOT-10k"),
    ("data", "truth.json", "needs a file of another tool; tests/data reads some"),
    ("data", "annotations.xml", "annotation.md imports the same"),
    ("lost", "calibrated", "needs some thousand frames with hard moments"),
    ("data", "MOT17", "needs MOT17"),
    ("data", "keys.json", "needs a file of key boxes for the clips"),
    ("data", "starts at moving", "needs clips in which something moves before a camera that does not"),
    ("data", "nfs", "needs NfS"),
]

# What takes minutes, which `make pages` runs too.
SLOW = [
    ("*", "mixformer bench", "measures"),
    ("benchmarks", "here.json", "reads what was measured"),
    ("benchmarks", "measure_tracking", "measures"),
    ("benchmarks", "gpu.sh smoke.json", "measures"),
    ("*", "mixformer doctor", "tries each engine"),
    ("speed", "mixformer export", "traces and checks a network"),
    ("export", "export_model(", "traces and checks a network, as the tutorial does"),
    ("*", "finetune(", "trains"),
    ("*", "mixformer finetune", "trains"),
    ("*", "--model mine", "tracks with what was trained"),
    ("*", "mixformer train ", "trains"),
    ("data", "pseudo_label", "tracks several videos both ways"),
    ("many", "--workers 4", "loads four models"),
    ("usage", "mixformer ", "the pages that it names run the same"),
    ("*", "--model faster", "tracks with what was exported"),
    ("recipes", "--scale tiny", "trains"),
    ("*", "mixformer inspect", "looks at frame 30 in PyTorch"),
    ("*", "inspect_frame(", "looks at frame 30 in PyTorch"),
]

# What stands in place of a slow command that others of its page need.
STAND_IN = [
    (
        "mixformer export mixformerv2_dino_s8 --to onnx --out exported",
        "cp -rL mixformer/weights/shipped/mixformerv2_dino_s8 exported",
    ),
]

# What the slow ones do fewer of: a part of the command or code, and what stands in its place here.
SHORTER = [
    ("mixformer finetune ", "mixformer finetune --steps 4 "),
    ("minutes=10", "steps=4"),
    ("--scale tiny", "--scale tiny --steps 4"),
]
