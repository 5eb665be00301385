#!/usr/bin/env python3
"""Converts the files of MNIST or CIFAR-10, which you download yourself, to the HDF5 file that
train_image_classifier reads.

    images_to_hdf5.py mnist.h5 train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz
    images_to_hdf5.py cifar10.h5 cifar-10-binary.tar.gz

Writes `images`, uint8 (n, height, width) or (n, channels, height, width), and `labels`, int32 (n).
Requires numpy and h5py.
"""
import gzip
import sys
import tarfile

import h5py
import numpy

CIFAR_IMAGE = (3, 32, 32)


def read_idx(path):
    """An array in the format of MNIST: zeros, type, number of axes, sizes, values."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        data = file.read()
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        sys.exit(f"{path} is not an IDX file of bytes")
    axes = data[3]
    sizes = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(axes)]
    values = numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * axes)
    if values.size != numpy.prod(sizes):
        sys.exit(f"{path} has {values.size} values, but its sizes are {sizes}")
    return values.reshape(sizes)


def read_cifar(path):
    """The training batches of the binary version: a label and an image of 3 x 32 x 32 per record."""
    records = []
    with tarfile.open(path) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            if "data_batch" in member.name:
                data = archive.extractfile(member).read()
                records.append(numpy.frombuffer(data, numpy.uint8).reshape(-1, 1 + 3 * 32 * 32))
    if not records:
        sys.exit(f"{path} has no data_batch; download the binary version")
    records = numpy.concatenate(records)
    return records[:, 1:].reshape(-1, *CIFAR_IMAGE), records[:, 0]


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    output, *inputs = sys.argv[1:]
    images, labels = read_cifar(*inputs) if len(inputs) == 1 else map(read_idx, inputs)
    if len(images) != len(labels):
        sys.exit(f"{len(images)} images, but {len(labels)} labels")
    with h5py.File(output, "w") as file:
        file["images"], file["labels"] = images, labels.astype(numpy.int32)
    print(f"{output}: {len(images)} images of {images.shape[1:]}")


if __name__ == "__main__":
    main()
