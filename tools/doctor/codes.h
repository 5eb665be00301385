// All codes of `ripieno doctor`, by subject. docs/doctor.md has the same table.
#pragma once

#include "ripieno/tools/doctor/finding.h"

namespace ripieno::tools::doctor {

inline constexpr Code kGpuUnusable = {
    "D-GPU-01", Severity::problem, "a GPU or its driver cannot be used",
    "the CPU is used instead, many times slower",
    "install the driver that is required, or train with --device cpu"};
inline constexpr Code kSharedGpus = {
    "D-GPU-02", Severity::problem, "more ranks than GPUs on a host",
    "ranks that share a GPU are refused at startup",
    "start as many ranks per host as it has GPUs, or set RIPIENO_SHARE_GPU=1 if this is intended"};
inline constexpr Code kBadNccl = {
    "D-GPU-03", Severity::problem, "a version of NCCL with a known fault",
    "NCCL 2.28.3 to 2.28.8 can hang when a job restarts", "install NCCL 2.28.9 or later"};
inline constexpr Code kNoLibrary = {
    "D-GPU-04", Severity::warning, "NCCL or cuDNN is missing",
    "slower replacements are used: host memory instead of NCCL, built-in kernels instead of cuDNN",
    "install it, or set RIPIENO_NVIDIA_LIBRARIES to its folder"};
inline constexpr Code kMemoryErrors = {"D-GPU-05", Severity::problem,
                                       "uncorrected memory errors of a GPU",
                                       "results are wrong, or the run crashes",
                                       "reset or replace the GPU; exclude the host until then"};
inline constexpr Code kThrottled = {
    "D-GPU-06", Severity::warning, "a GPU runs below its clock rate",
    "the slowest GPU sets the speed of all ranks",
    "check cooling and power (nvidia-smi -q -d PERFORMANCE); exclude the host if it persists"};
inline constexpr Code kGpuToolFailed = {
    "D-GPU-07", Severity::problem, "nvidia-smi does not answer or fails",
    "the driver or a GPU hangs", "restart the host or reload its driver; exclude it until then"};

inline constexpr Code kSharedMemory = {
    "D-LIM-01", Severity::problem, "/dev/shm is too small",
    "MPI and NCCL exchange data between ranks of a host there and crash when it is full",
    "give it some gigabytes: docker run --shm-size=8g, in Kubernetes an emptyDir of medium Memory "
    "at /dev/shm, else mount -o remount,size=8g /dev/shm"};
inline constexpr Code kLockedMemory = {
    "D-LIM-02", Severity::warning, "little memory may be locked, on a host with RDMA",
    "RDMA requires locked memory: MPI and NCCL fail or use TCP instead",
    "raise the limit: ulimit -l unlimited, docker run --ulimit memlock=-1, or "
    "LimitMEMLOCK=infinity"};
inline constexpr Code kOpenFiles = {
    "D-LIM-03", Severity::problem, "too few files may be open",
    "each rank opens sockets to the others, data files and libraries",
    "raise the limit: ulimit -n 65536, or docker run --ulimit nofile=65536"};
inline constexpr Code kThreads = {
    "D-LIM-04", Severity::problem, "more threads than the container's CPU limit",
    "the kernel stops all threads for a part of each 100 ms",
    "unset OMP_NUM_THREADS, lower it, or raise the limit (docker run --cpus)"};
inline constexpr Code kRanksExceedCores = {
    "D-LIM-05", Severity::warning, "more ranks than cores on a host",
    "ranks that wait keep others from computing",
    "start fewer ranks per host, or pass mpirun --mca mpi_yield_when_idle 1"};
inline constexpr Code kMemory = {
    "D-LIM-06", Severity::problem, "too little memory",
    "the ranks are killed by signal 9 when it is used up",
    "raise the container's limit, start fewer ranks per host, or use parallel.shard"};

inline constexpr Code kUnresolved = {
    "D-NAME-01", Severity::problem, "a host name cannot be resolved",
    "mpirun and the ranks cannot reach the host by its name",
    "correct the name, or add it to /etc/hosts or the DNS on every host"};
inline constexpr Code kOwnNameUnresolved = {
    "D-NAME-02", Severity::warning, "the host's own name cannot be resolved",
    "programs that ask for their own address fail or wait", "add it to /etc/hosts: ADDRESS NAME"};
inline constexpr Code kNameIsLoopback = {
    "D-NAME-03", Severity::warning, "the host's own name is a loopback address",
    "peers that are told this address reach themselves",
    "replace the line of /etc/hosts by the address of the host's network interface"};
inline constexpr Code kResolverHangs = {
    "D-NAME-04", Severity::problem, "the resolver does not answer",
    "each start waits for it, or fails", "check the servers in /etc/resolv.conf"};

inline constexpr Code kClockSkew = {
    "D-CLK-01", Severity::problem, "the clocks of two hosts differ",
    "records of ranks are compared by time: ripieno explain would name the wrong cause",
    "synchronize the clocks (chronyc makestep, or systemctl restart systemd-timesyncd)"};
inline constexpr Code kClockJumps = {
    "D-CLK-02", Severity::problem, "the clock jumped while it was watched",
    "heartbeats and files get times that are out of order",
    "let only one service set the clock; in a virtual machine disable one of host and guest"};
inline constexpr Code kStorageClock = {
    "D-CLK-03", Severity::warning, "the clocks of the host and its storage differ",
    "tools that compare file times (make, rsync, cleanup jobs) are misled",
    "synchronize the clock of the host or of the file server"};

inline constexpr Code kLocalBridge = {
    "D-NET-01", Severity::warning, "an interface that only leads to containers of its host",
    "MPI or NCCL may choose it, and the run hangs at startup",
    "start with ripieno launch, which excludes it, or set the interface yourself"};
inline constexpr Code kBridgeChosen = {
    "D-NET-02", Severity::problem, "such an interface is or will be chosen",
    "other hosts cannot be reached through it: the run hangs at startup",
    "start with ripieno launch, or set btl_tcp_if_include and NCCL_SOCKET_IFNAME"};
inline constexpr Code kCutLink = {
    "D-NET-03", Severity::problem, "two hosts cannot connect", "the run hangs at startup",
    "check cable, switch and firewall between them (all ports), or exclude one of them"};
inline constexpr Code kSlowLink = {
    "D-NET-04", Severity::problem, "a link is slower than it should be",
    "all ranks wait for the slowest link in every step",
    "check it with iperf3 and ethtool, exclude the host, or send less (parallel.wire=bfloat16)"};
inline constexpr Code kLatency = {
    "D-NET-05", Severity::warning, "a link has a high latency", "small sums dominate the step",
    "use hosts of the same zone, or send more rarely (parallel.diloco_steps)"};
inline constexpr Code kNoInterface = {
    "D-NET-06", Severity::problem, "the chosen interface does not exist",
    "MPI or NCCL fails or uses another network", "correct or unset the variable that names it"};
inline constexpr Code kNoCommonNetwork = {
    "D-NET-07", Severity::warning, "two hosts have no common network",
    "they communicate through a router",
    "use the network that all hosts share, or make sure that no firewall is between them"};

inline constexpr Code kOtherMpi = {
    "D-MPI-01", Severity::problem, "the launcher belongs to another MPI than the program",
    "each rank would train a model of its own, or fail at startup",
    "use the mpirun of the program's MPI library; ripieno --version prints which that is"};
inline constexpr Code kNoLauncher = {"D-MPI-02", Severity::warning, "mpirun is not in PATH",
                                     "only one rank can be started",
                                     "install Open MPI, or add its folder to PATH"};
inline constexpr Code kMpiFails = {
    "D-MPI-03", Severity::problem, "MPI does not start or deliver messages",
    "the run hangs at startup",
    "correct the other problems first; then choose the network with --mca btl_tcp_if_include"};
inline constexpr Code kWrongSum = {
    "D-MPI-04", Severity::problem, "an all-reduce computes a wrong sum",
    "the model would be trained on wrong gradients",
    "exclude the host that deviates; check its memory and network adapter"};
inline constexpr Code kSlowSum = {
    "D-MPI-05", Severity::warning, "an all-reduce is slower than its link allows",
    "all ranks wait for it in every step",
    "start no more ranks than cores, pass --bind-to none and mpi_yield_when_idle, and check which "
    "network MPI uses (--mca btl_base_verbose 30)"};
inline constexpr Code kLostRank = {"D-MPI-06", Severity::problem, "a rank was not heard of",
                                   "its host hangs, has no network, or sees other storage",
                                   "run ripieno doctor on that host alone, or exclude it"};
inline constexpr Code kOtherBuild = {"D-MPI-07", Severity::problem,
                                     "ranks run different builds or CPU levels",
                                     "the run is refused at startup, since results would differ",
                                     "install the same build everywhere; GLIBC_TUNABLES selects a "
                                     "common CPU level (docs/cluster.md)"};

inline constexpr Code kNotWritable = {
    "D-STO-01", Severity::problem, "the directory cannot be written",
    "no checkpoint could be saved",
    "change its owner or mode (chown, chmod u+rwx), or choose another --run-dir"};
inline constexpr Code kReadOnly = {
    "D-STO-02", Severity::problem, "the file system is read-only", "no checkpoint could be saved",
    "mount it read-write (a container: -v DIR:DIR without :ro), or choose another --run-dir"};
inline constexpr Code kNoRoom = {"D-STO-03", Severity::problem, "no room for two checkpoints",
                                 "a save writes the new checkpoint before the old one is removed",
                                 "free space, or choose another --run-dir"};
inline constexpr Code kStorageHangs = {"D-STO-04", Severity::problem, "storage does not respond",
                                       "saves and reads hang",
                                       "check the file server and its mount (dmesg)"};
inline constexpr Code kSlowStorage = {"D-STO-05", Severity::warning, "writing is slow",
                                      "saves take long; training waits if they overlap",
                                      "use faster storage, or save more rarely (checkpoint.every)"};
inline constexpr Code kNotShared = {
    "D-STO-06", Severity::problem, "a rank does not see what another one wrote",
    "checkpoints would never be complete",
    "use a run directory on storage that all hosts mount at the same path"};
inline constexpr Code kStorageFails = {
    "D-STO-07", Severity::problem, "writing, syncing or renaming a file fails",
    "no checkpoint could be saved", "see the message; choose another --run-dir"};
inline constexpr Code kNotADirectory = {
    "D-STO-08", Severity::problem, "the path is that of a file, not of a directory",
    "no checkpoint could be saved", "choose another --run-dir, or move the file away"};

inline constexpr Code kNoData = {"D-DAT-01", Severity::problem, "the data cannot be read",
                                 "the run ends at startup",
                                 "correct the path (data.path, --data) or its permissions"};
inline constexpr Code kBadData = {
    "D-DAT-02", Severity::problem, "the data is damaged or not in a known format",
    "the run ends when it reads the damaged part", "copy or create the file again"};
inline constexpr Code kVocabulary = {
    "D-DAT-03", Severity::problem, "the data has more tokens than the model's vocabulary",
    "the run ends at startup", "raise model.vocab, or set it to 0: that of the data"};
inline constexpr Code kOtherData = {"D-DAT-04", Severity::problem, "hosts see different data",
                                    "the run is refused at startup",
                                    "copy the same file to all hosts, or use shared storage"};
inline constexpr Code kDataHangs = {
    "D-DAT-05", Severity::problem, "the data could not be read in time",
    "the ranks would wait for it", "check the storage that holds it"};
inline constexpr Code kUnsuitableData = {
    "D-DAT-06", Severity::problem, "the data does not fit the configuration",
    "the run ends at startup", "correct what the message names"};
inline constexpr Code kBadConfiguration = {
    "D-CFG-01", Severity::problem, "the configuration cannot be read", "the run ends at startup",
    "correct what the message names"};

inline constexpr const Code* kCodes[] = {
    &kGpuUnusable,    &kSharedGpus,       &kBadNccl,       &kNoLibrary,       &kMemoryErrors,
    &kThrottled,      &kGpuToolFailed,    &kSharedMemory,  &kLockedMemory,    &kOpenFiles,
    &kThreads,        &kRanksExceedCores, &kMemory,        &kUnresolved,      &kOwnNameUnresolved,
    &kNameIsLoopback, &kResolverHangs,    &kClockSkew,     &kClockJumps,      &kStorageClock,
    &kLocalBridge,    &kBridgeChosen,     &kCutLink,       &kSlowLink,        &kLatency,
    &kNoInterface,    &kNoCommonNetwork,  &kOtherMpi,      &kNoLauncher,      &kMpiFails,
    &kWrongSum,       &kSlowSum,          &kLostRank,      &kOtherBuild,      &kNotWritable,
    &kReadOnly,       &kNoRoom,           &kStorageHangs,  &kSlowStorage,     &kNotShared,
    &kStorageFails,   &kNoData,           &kBadData,       &kVocabulary,      &kOtherData,
    &kDataHangs,      &kUnsuitableData,   &kNotADirectory, &kBadConfiguration};

}  // namespace ripieno::tools::doctor
