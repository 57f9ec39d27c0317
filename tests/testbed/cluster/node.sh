# The first process of a node, in the node's own network, mount and PID namespace. Called by node.rs with:
# NODE (its folder), NAME, ADDRESSES, PODS, PROGRAMS, PROXY (a kubeconfig). Its end is the end of the node.
set -eu
mount --make-rshared /

# A node's own /run, and the folders in which agents, kubelet and plugins of two nodes must not meet.
mount -t tmpfs -o mode=755 tmpfs /run
mount --make-rshared /run
mkdir -p /run/containerd /run/netns /run/lock
mount --bind /run/netns /run/netns
mount --make-rshared /run/netns
own() {
	mount --bind "$NODE/$1" "$2"
	mount --make-rshared "$2"
}
own cni /etc/cni/net.d
own cni-bin /opt/cni/bin
own cni-state /var/lib/cni
own kubelet /var/lib/kubelet
own pods /var/log/pods
own containers /var/log/containers

# The kubelet would write these settings of the whole machine: it finds them as it wants them.
tuned() {
	echo "$2" >"/run/tuned-$(echo "$1" | tr / -)"
	[ ! -e "/proc/sys/$1" ] || mount --bind "/run/tuned-$(echo "$1" | tr / -)" "/proc/sys/$1"
}
tuned vm/overcommit_memory 1
tuned vm/panic_on_oom 0
tuned kernel/panic 10
tuned kernel/panic_on_oops 1
tuned kernel/keys/root_maxkeys 1000000
tuned kernel/keys/root_maxbytes 25000000

until_true() { # SECONDS COMMAND...
	local tries=$(($1 * 20))
	shift
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || { echo "$* is not true in time"; return 1; }
		sleep 0.05
	done
}

containerd --config "$NODE/containerd.toml" >"$NODE/log/containerd.log" 2>&1 &
until_true 30 ctr version
for image in "$NODE"/images/*.tar; do
	ctr --namespace k8s.io images import "$image"
done
touch "$NODE/loaded"

# The API server must know the node before its kubelet does, with its range of pods.
until_true 180 test -e "$NODE/join"
"$PROGRAMS/kubelet" --config="$NODE/kubelet.json" --kubeconfig="$NODE/kubelet.conf" --hostname-override="$NAME" \
	--node-ip="$ADDRESSES" >"$NODE/log/kubelet.log" 2>&1 &
# Sizes and time-outs of connection tracking are the machine's, and cannot be set from a namespace.
"$PROGRAMS/kube-proxy" --kubeconfig="$PROXY" --hostname-override="$NAME" --cluster-cidr="$PODS" --proxy-mode=iptables \
	--iptables-min-sync-period=200ms --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0 \
	>"$NODE/log/proxy.log" 2>&1 &
# The shell also reaps what the containers leave behind.
while :; do
	wait
	sleep 1
done
