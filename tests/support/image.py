"""A small image for tests, out of programs of this machine, as an OCI layout."""
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile

PASSWD = "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/:/bin/sh\n"


def _files(programs):
    found = {}
    for program in programs:
        path = shutil.which(program)
        if not path:
            return None
        found["bin/" + program] = path
        linked = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"/[^ ]+", linked):
            found[library.lstrip("/")] = library
    return found


def _layer(files):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        folders = {"etc", "tmp", "proc", "dev", "sys", "bin"}
        for name in files:
            parts = name.split("/")[:-1]
            folders.update("/".join(parts[:i + 1]) for i in range(len(parts)))
        for folder in sorted(folders):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(info)
        for name, path in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode = os.stat(path).st_size, 0o755
            with open(path, "rb") as f:
                tar.addfile(info, f)
        info = tarfile.TarInfo("etc/passwd")
        info.size = len(PASSWD)
        tar.addfile(info, io.BytesIO(PASSWD.encode()))
    return gzip.compress(data.getvalue(), 1)


def write_layout(folder, name, config, programs):
    """Writes the layout; False: this machine lacks one of the programs."""
    files = _files(programs)
    if files is None:
        return False
    blobs = os.path.join(folder, "blobs/sha256")
    os.makedirs(blobs)

    def blob(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as f:
            f.write(data)
        return {"mediaType": "application/vnd.oci.image." + media_type, "size": len(data),
                "digest": "sha256:" + digest}

    def document(value, media_type):
        return blob(json.dumps(value).encode(), media_type)

    layer = blob(_layer(files), "layer.v1.tar+gzip")
    image = document({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
                      "config": config}, "config.v1+json")
    manifest = document({"schemaVersion": 2, "config": image, "layers": [layer]}, "manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": name}
    for file, value in (("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                        ("index.json", {"schemaVersion": 2, "manifests": [manifest]})):
        with open(os.path.join(folder, file), "w") as f:
            json.dump(value, f)
    return True
