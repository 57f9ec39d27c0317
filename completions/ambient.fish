# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ambient_global_optspecs
    string join \n role= c/kubeconfig= context= sandbox= n/namespace= i/istio-namespace= color= h/help V/version
end

function __fish_ambient_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ambient_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ambient_using_subcommand
    set -l cmd (__fish_ambient_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ambient -n "__fish_ambient_needs_command" -l role -d 'Run as a component of the mesh instead of a command' -r -f -a "agent\t'Control plane: discovery and certificates'
ztunnel\t'Node proxy'
waypoint\t'Proxy for layer 7, of a Gateway'
cni\t'Node agent that enrols pods'"
complete -c ambient -n "__fish_ambient_needs_command" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_needs_command" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_needs_command" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_needs_command" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_needs_command" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_needs_command" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_needs_command" -s V -l version -d 'Print version'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "install" -d 'Install the mesh, or bring it up to date'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "apply" -d 'Install the mesh, or bring it up to date'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "manifest" -d 'Print the manifests that install applies'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "uninstall" -d 'Take the mesh out of the cluster again'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "namespace" -d 'Enrol namespaces and pods, or take them out'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "ns" -d 'Enrol namespaces and pods, or take them out'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "waypoint" -d 'Give namespaces, services and service accounts proxies at layer 7'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "wp" -d 'Give namespaces, services and service accounts proxies at layer 7'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "status" -d 'Show whether the mesh is well'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "ztunnel-config" -d 'Show what the ztunnels know: workloads, services, policies, certificates, connections'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "zc" -d 'Show what the ztunnels know: workloads, services, policies, certificates, connections'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "verify" -d 'Prove from live evidence whether traffic is mTLS'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "sandbox" -d 'Run the whole mesh on this machine, without Kubernetes'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "token" -d 'Issue the token of a pod where a folder stands in for Kubernetes'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "version" -d 'Show the versions of this program and of the mesh'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "completion" -d 'Print the completion script of a shell'
complete -c ambient -n "__fish_ambient_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand install" -s f -l filename -d 'Overlay file with settings; may be repeated, later ones win' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand install" -s s -l set -d 'One setting, such as image.tag=dev; may be repeated, wins over files' -r
complete -c ambient -n "__fish_ambient_using_subcommand install" -l wait -d 'Wait until all components are ready' -r -f -a "true\t''
false\t''"
complete -c ambient -n "__fish_ambient_using_subcommand install" -l timeout -d 'Longest to wait, such as 90s or 5m' -r
complete -c ambient -n "__fish_ambient_using_subcommand install" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand install" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand install" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand install" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand install" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand install" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand install" -l dry-run -d 'Show what would change and keep nothing'
complete -c ambient -n "__fish_ambient_using_subcommand install" -l print -d 'Print the manifests instead of applying them'
complete -c ambient -n "__fish_ambient_using_subcommand install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand apply" -s f -l filename -d 'Overlay file with settings; may be repeated, later ones win' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand apply" -s s -l set -d 'One setting, such as image.tag=dev; may be repeated, wins over files' -r
complete -c ambient -n "__fish_ambient_using_subcommand apply" -l wait -d 'Wait until all components are ready' -r -f -a "true\t''
false\t''"
complete -c ambient -n "__fish_ambient_using_subcommand apply" -l timeout -d 'Longest to wait, such as 90s or 5m' -r
complete -c ambient -n "__fish_ambient_using_subcommand apply" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand apply" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand apply" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand apply" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand apply" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand apply" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand apply" -l dry-run -d 'Show what would change and keep nothing'
complete -c ambient -n "__fish_ambient_using_subcommand apply" -l print -d 'Print the manifests instead of applying them'
complete -c ambient -n "__fish_ambient_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand manifest" -s f -l filename -d 'Overlay file with settings; may be repeated, later ones win' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand manifest" -s s -l set -d 'One setting, such as image.tag=dev; may be repeated, wins over files' -r
complete -c ambient -n "__fish_ambient_using_subcommand manifest" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand manifest" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand manifest" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand manifest" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand manifest" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand manifest" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand manifest" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand uninstall" -l timeout -d 'Longest to wait for each step, such as 90s or 5m' -r
complete -c ambient -n "__fish_ambient_using_subcommand uninstall" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand uninstall" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand uninstall" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand uninstall" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand uninstall" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand uninstall" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand uninstall" -l purge -d 'Delete the resource definitions too (Istio\'s, and RateLimit), and with them all objects of these kinds'
complete -c ambient -n "__fish_ambient_using_subcommand uninstall" -s y -l yes -l skip-confirmation -d 'Do not ask'
complete -c ambient -n "__fish_ambient_using_subcommand uninstall" -l force -d 'Go on where pods are not released; these have no network until they are restarted'
complete -c ambient -n "__fish_ambient_using_subcommand uninstall" -l dry-run -d 'Show the plan and do nothing'
complete -c ambient -n "__fish_ambient_using_subcommand uninstall" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and not __fish_seen_subcommand_from add remove list help" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and not __fish_seen_subcommand_from add remove list help" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and not __fish_seen_subcommand_from add remove list help" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and not __fish_seen_subcommand_from add remove list help" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and not __fish_seen_subcommand_from add remove list help" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and not __fish_seen_subcommand_from add remove list help" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and not __fish_seen_subcommand_from add remove list help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and not __fish_seen_subcommand_from add remove list help" -f -a "add" -d 'Enrol: all pods are captured, running ones too'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and not __fish_seen_subcommand_from add remove list help" -f -a "remove" -d 'Take out: traffic flows as if there were no mesh'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and not __fish_seen_subcommand_from add remove list help" -f -a "list" -d 'List the namespaces and how many of their pods are captured'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and not __fish_seen_subcommand_from add remove list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from add" -l pod -d 'A pod, as namespace/name, or a name in the namespace of -n; may be repeated' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from add" -l wait -d 'Wait until every running pod is captured, or released' -r -f -a "true\t''
false\t''"
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from add" -l timeout -d 'Longest to wait, such as 90s or 5m' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from add" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from add" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from add" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from add" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from add" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from add" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from add" -l mesh -l all-mesh -d 'The whole mesh: the default of every namespace'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from add" -l cut-existing -d 'Close connections that are older than the enrolment, so that applications open them again through the mesh'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from remove" -l pod -d 'A pod, as namespace/name, or a name in the namespace of -n; may be repeated' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from remove" -l wait -d 'Wait until every running pod is captured, or released' -r -f -a "true\t''
false\t''"
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from remove" -l timeout -d 'Longest to wait, such as 90s or 5m' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from remove" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from remove" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from remove" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from remove" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from remove" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from remove" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from remove" -l mesh -l all-mesh -d 'The whole mesh: the default of every namespace'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from list" -s o -l output -d 'How to write the list' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from list" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from list" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from list" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from list" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from list" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from list" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from help" -f -a "add" -d 'Enrol: all pods are captured, running ones too'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Take out: traffic flows as if there were no mesh'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the namespaces and how many of their pods are captured'
complete -c ambient -n "__fish_ambient_using_subcommand namespace; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and not __fish_seen_subcommand_from add remove list help" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ns; and not __fish_seen_subcommand_from add remove list help" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and not __fish_seen_subcommand_from add remove list help" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and not __fish_seen_subcommand_from add remove list help" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and not __fish_seen_subcommand_from add remove list help" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and not __fish_seen_subcommand_from add remove list help" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ns; and not __fish_seen_subcommand_from add remove list help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and not __fish_seen_subcommand_from add remove list help" -f -a "add" -d 'Enrol: all pods are captured, running ones too'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and not __fish_seen_subcommand_from add remove list help" -f -a "remove" -d 'Take out: traffic flows as if there were no mesh'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and not __fish_seen_subcommand_from add remove list help" -f -a "list" -d 'List the namespaces and how many of their pods are captured'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and not __fish_seen_subcommand_from add remove list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from add" -l pod -d 'A pod, as namespace/name, or a name in the namespace of -n; may be repeated' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from add" -l wait -d 'Wait until every running pod is captured, or released' -r -f -a "true\t''
false\t''"
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from add" -l timeout -d 'Longest to wait, such as 90s or 5m' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from add" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from add" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from add" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from add" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from add" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from add" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from add" -l mesh -l all-mesh -d 'The whole mesh: the default of every namespace'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from add" -l cut-existing -d 'Close connections that are older than the enrolment, so that applications open them again through the mesh'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from remove" -l pod -d 'A pod, as namespace/name, or a name in the namespace of -n; may be repeated' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from remove" -l wait -d 'Wait until every running pod is captured, or released' -r -f -a "true\t''
false\t''"
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from remove" -l timeout -d 'Longest to wait, such as 90s or 5m' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from remove" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from remove" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from remove" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from remove" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from remove" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from remove" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from remove" -l mesh -l all-mesh -d 'The whole mesh: the default of every namespace'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from list" -s o -l output -d 'How to write the list' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from list" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from list" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from list" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from list" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from list" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from list" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from help" -f -a "add" -d 'Enrol: all pods are captured, running ones too'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Take out: traffic flows as if there were no mesh'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the namespaces and how many of their pods are captured'
complete -c ambient -n "__fish_ambient_using_subcommand ns; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and not __fish_seen_subcommand_from apply generate list status delete config help" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and not __fish_seen_subcommand_from apply generate list status delete config help" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and not __fish_seen_subcommand_from apply generate list status delete config help" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and not __fish_seen_subcommand_from apply generate list status delete config help" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and not __fish_seen_subcommand_from apply generate list status delete config help" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and not __fish_seen_subcommand_from apply generate list status delete config help" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and not __fish_seen_subcommand_from apply generate list status delete config help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and not __fish_seen_subcommand_from apply generate list status delete config help" -f -a "apply" -d 'Make a waypoint, or change one, and put whom you name behind it'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and not __fish_seen_subcommand_from apply generate list status delete config help" -f -a "generate" -d 'Print the Gateway that apply makes, without a cluster'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and not __fish_seen_subcommand_from apply generate list status delete config help" -f -a "list" -d 'List the waypoints: what they take, whether they run, how many are behind them'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and not __fish_seen_subcommand_from apply generate list status delete config help" -f -a "status" -d 'Show whether waypoints are ready, and who is not behind them and why'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and not __fish_seen_subcommand_from apply generate list status delete config help" -f -a "delete" -d 'Delete waypoints, and the labels that name them'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and not __fish_seen_subcommand_from apply generate list status delete config help" -f -a "config" -d 'Show the routes, backends and policies as the proxies have them'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and not __fish_seen_subcommand_from apply generate list status delete config help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l name -d 'Name of the waypoint' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l for -d 'Which traffic it takes: that to services, to the addresses of pods, both or none [default: service]' -r -f -a "service\t'That to services'
workload\t'That to the addresses of pods'
all\t'Both'
none\t'None'"
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l replicas -d 'How many pods run it [default: that of the installation, 2]' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l autoscale -d 'The least and the most pods, by load, such as 2-6' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l autoscale-on -d 'By which load: processor time in per cent of what is set aside, requests under way in each pod, or both [default: cpu=80]' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l cpu -d 'The processors that are set aside for a pod, such as 250m' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l memory -d 'The memory that is set aside for a pod, such as 128Mi' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l class -d 'Class of the Gateway [default: istio-waypoint]' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -s r -l revision -d 'Label the Gateway for a revision of Istio\'s control plane; ambient\'s own sees to all' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l enroll-service -d 'Put a service of the namespace behind it; may be repeated' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l enroll-service-account -d 'Put the pods that run as a service account behind it, and the services that select only such; may be repeated. A new waypoint is then one for `all`, if --for says nothing' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l timeout -l waypoint-timeout -d 'Longest to wait, such as 90s or 5m' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -s o -l output -d 'With --dry-run: the difference as a table, or the objects as they would be' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l enroll-namespace -d 'Put the namespace behind it: all services and pods that say nothing else themselves'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l overwrite -d 'Take over what somebody else set, and put behind it what names another waypoint'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -s w -l wait -d 'Wait until it takes traffic, and whom you name is behind it'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -l dry-run -d 'Show what would change, as the server computes it, and keep nothing'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -l name -d 'Name of the waypoint' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -l for -d 'Which traffic it takes: that to services, to the addresses of pods, both or none [default: service]' -r -f -a "service\t'That to services'
workload\t'That to the addresses of pods'
all\t'Both'
none\t'None'"
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -l replicas -d 'How many pods run it [default: that of the installation, 2]' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -l autoscale -d 'The least and the most pods, by load, such as 2-6' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -l autoscale-on -d 'By which load: processor time in per cent of what is set aside, requests under way in each pod, or both [default: cpu=80]' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -l cpu -d 'The processors that are set aside for a pod, such as 250m' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -l memory -d 'The memory that is set aside for a pod, such as 128Mi' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -l class -d 'Class of the Gateway [default: istio-waypoint]' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -s r -l revision -d 'Label the Gateway for a revision of Istio\'s control plane; ambient\'s own sees to all' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -s o -l output -d 'How to write it' -r -f -a "yaml\t''
json\t''"
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from generate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from list" -s o -l output -d 'How to write the list' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from list" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from list" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from list" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from list" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from list" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from list" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from list" -s A -l all-namespaces -d 'Those of all namespaces'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from status" -l timeout -l waypoint-timeout -d 'Longest to wait, such as 90s or 5m' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from status" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from status" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from status" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from status" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from status" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from status" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from status" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from status" -s A -l all-namespaces -d 'Those of all namespaces'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from status" -s w -l wait -d 'Wait until all is well'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from delete" -s r -l revision -d 'All waypoints of the namespace that are labelled for this revision' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from delete" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from delete" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from delete" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from delete" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from delete" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from delete" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from delete" -l all -d 'All waypoints of the namespace'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from delete" -l keep-labels -d 'Leave the labels that name them'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from delete" -s y -l yes -l skip-confirmation -d 'Do not ask'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from delete" -l dry-run -d 'Show the plan, have the server judge it, and keep everything'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from config" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from config" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from config" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from config" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from config" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from config" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from config" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from config" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from help" -f -a "apply" -d 'Make a waypoint, or change one, and put whom you name behind it'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from help" -f -a "generate" -d 'Print the Gateway that apply makes, without a cluster'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the waypoints: what they take, whether they run, how many are behind them'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from help" -f -a "status" -d 'Show whether waypoints are ready, and who is not behind them and why'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Delete waypoints, and the labels that name them'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from help" -f -a "config" -d 'Show the routes, backends and policies as the proxies have them'
complete -c ambient -n "__fish_ambient_using_subcommand waypoint; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and not __fish_seen_subcommand_from apply generate list status delete config help" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand wp; and not __fish_seen_subcommand_from apply generate list status delete config help" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and not __fish_seen_subcommand_from apply generate list status delete config help" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and not __fish_seen_subcommand_from apply generate list status delete config help" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and not __fish_seen_subcommand_from apply generate list status delete config help" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and not __fish_seen_subcommand_from apply generate list status delete config help" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand wp; and not __fish_seen_subcommand_from apply generate list status delete config help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and not __fish_seen_subcommand_from apply generate list status delete config help" -f -a "apply" -d 'Make a waypoint, or change one, and put whom you name behind it'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and not __fish_seen_subcommand_from apply generate list status delete config help" -f -a "generate" -d 'Print the Gateway that apply makes, without a cluster'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and not __fish_seen_subcommand_from apply generate list status delete config help" -f -a "list" -d 'List the waypoints: what they take, whether they run, how many are behind them'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and not __fish_seen_subcommand_from apply generate list status delete config help" -f -a "status" -d 'Show whether waypoints are ready, and who is not behind them and why'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and not __fish_seen_subcommand_from apply generate list status delete config help" -f -a "delete" -d 'Delete waypoints, and the labels that name them'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and not __fish_seen_subcommand_from apply generate list status delete config help" -f -a "config" -d 'Show the routes, backends and policies as the proxies have them'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and not __fish_seen_subcommand_from apply generate list status delete config help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l name -d 'Name of the waypoint' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l for -d 'Which traffic it takes: that to services, to the addresses of pods, both or none [default: service]' -r -f -a "service\t'That to services'
workload\t'That to the addresses of pods'
all\t'Both'
none\t'None'"
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l replicas -d 'How many pods run it [default: that of the installation, 2]' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l autoscale -d 'The least and the most pods, by load, such as 2-6' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l autoscale-on -d 'By which load: processor time in per cent of what is set aside, requests under way in each pod, or both [default: cpu=80]' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l cpu -d 'The processors that are set aside for a pod, such as 250m' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l memory -d 'The memory that is set aside for a pod, such as 128Mi' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l class -d 'Class of the Gateway [default: istio-waypoint]' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -s r -l revision -d 'Label the Gateway for a revision of Istio\'s control plane; ambient\'s own sees to all' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l enroll-service -d 'Put a service of the namespace behind it; may be repeated' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l enroll-service-account -d 'Put the pods that run as a service account behind it, and the services that select only such; may be repeated. A new waypoint is then one for `all`, if --for says nothing' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l timeout -l waypoint-timeout -d 'Longest to wait, such as 90s or 5m' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -s o -l output -d 'With --dry-run: the difference as a table, or the objects as they would be' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l enroll-namespace -d 'Put the namespace behind it: all services and pods that say nothing else themselves'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l overwrite -d 'Take over what somebody else set, and put behind it what names another waypoint'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -s w -l wait -d 'Wait until it takes traffic, and whom you name is behind it'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -l dry-run -d 'Show what would change, as the server computes it, and keep nothing'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -l name -d 'Name of the waypoint' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -l for -d 'Which traffic it takes: that to services, to the addresses of pods, both or none [default: service]' -r -f -a "service\t'That to services'
workload\t'That to the addresses of pods'
all\t'Both'
none\t'None'"
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -l replicas -d 'How many pods run it [default: that of the installation, 2]' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -l autoscale -d 'The least and the most pods, by load, such as 2-6' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -l autoscale-on -d 'By which load: processor time in per cent of what is set aside, requests under way in each pod, or both [default: cpu=80]' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -l cpu -d 'The processors that are set aside for a pod, such as 250m' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -l memory -d 'The memory that is set aside for a pod, such as 128Mi' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -l class -d 'Class of the Gateway [default: istio-waypoint]' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -s r -l revision -d 'Label the Gateway for a revision of Istio\'s control plane; ambient\'s own sees to all' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -s o -l output -d 'How to write it' -r -f -a "yaml\t''
json\t''"
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from generate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from list" -s o -l output -d 'How to write the list' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from list" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from list" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from list" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from list" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from list" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from list" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from list" -s A -l all-namespaces -d 'Those of all namespaces'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from status" -l timeout -l waypoint-timeout -d 'Longest to wait, such as 90s or 5m' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from status" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from status" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from status" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from status" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from status" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from status" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from status" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from status" -s A -l all-namespaces -d 'Those of all namespaces'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from status" -s w -l wait -d 'Wait until all is well'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from delete" -s r -l revision -d 'All waypoints of the namespace that are labelled for this revision' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from delete" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from delete" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from delete" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from delete" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from delete" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from delete" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from delete" -l all -d 'All waypoints of the namespace'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from delete" -l keep-labels -d 'Leave the labels that name them'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from delete" -s y -l yes -l skip-confirmation -d 'Do not ask'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from delete" -l dry-run -d 'Show the plan, have the server judge it, and keep everything'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from config" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from config" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from config" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from config" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from config" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from config" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from config" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from config" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from help" -f -a "apply" -d 'Make a waypoint, or change one, and put whom you name behind it'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from help" -f -a "generate" -d 'Print the Gateway that apply makes, without a cluster'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the waypoints: what they take, whether they run, how many are behind them'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from help" -f -a "status" -d 'Show whether waypoints are ready, and who is not behind them and why'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Delete waypoints, and the labels that name them'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from help" -f -a "config" -d 'Show the routes, backends and policies as the proxies have them'
complete -c ambient -n "__fish_ambient_using_subcommand wp; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand status" -l timeout -d 'Longest to wait, such as 90s or 5m' -r
complete -c ambient -n "__fish_ambient_using_subcommand status" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand status" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand status" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand status" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand status" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand status" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand status" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand status" -s w -l wait -d 'Wait until all is well'
complete -c ambient -n "__fish_ambient_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "workload" -d 'Show the workloads'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "w" -d 'Show the workloads'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "workloads" -d 'Show the workloads'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "service" -d 'Show the services and their endpoints'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "services" -d 'Show the services and their endpoints'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "s" -d 'Show the services and their endpoints'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "svc" -d 'Show the services and their endpoints'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "policy" -d 'Show the authorization policies'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "policies" -d 'Show the authorization policies'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "p" -d 'Show the authorization policies'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "pol" -d 'Show the authorization policies'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "certificate" -d 'Show the certificates'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "certificates" -d 'Show the certificates'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "certs" -d 'Show the certificates'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "cert" -d 'Show the certificates'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "connections" -d 'Show the open connections'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "cons" -d 'Show the open connections'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "all" -d 'Show everything'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "a" -d 'Show everything'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "log" -d 'Show or change the log level'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "o" -d 'Show or change the log level'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workload" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workload" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workload" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workload" -l address -d 'Only the workload with this address' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workload" -l workload-namespace -d 'Only workloads of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workload" -l workload-node -d 'Only workloads on this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workload" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workload" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workload" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workload" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workload" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workload" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from w" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from w" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from w" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from w" -l address -d 'Only the workload with this address' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from w" -l workload-namespace -d 'Only workloads of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from w" -l workload-node -d 'Only workloads on this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from w" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from w" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from w" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from w" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from w" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from w" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from w" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workloads" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workloads" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workloads" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workloads" -l address -d 'Only the workload with this address' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workloads" -l workload-namespace -d 'Only workloads of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workloads" -l workload-node -d 'Only workloads on this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workloads" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workloads" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workloads" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workloads" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workloads" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workloads" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from workloads" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from service" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from service" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from service" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from service" -l service-namespace -d 'Only services of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from service" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from service" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from service" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from service" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from service" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from service" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from service" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from services" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from services" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from services" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from services" -l service-namespace -d 'Only services of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from services" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from services" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from services" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from services" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from services" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from services" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from services" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from s" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from s" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from s" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from s" -l service-namespace -d 'Only services of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from s" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from s" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from s" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from s" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from s" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from s" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from s" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from svc" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from svc" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from svc" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from svc" -l service-namespace -d 'Only services of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from svc" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from svc" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from svc" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from svc" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from svc" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from svc" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from svc" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policy" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policy" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policy" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policy" -l policy-namespace -d 'Only policies of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policy" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policy" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policy" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policy" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policy" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policy" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policies" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policies" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policies" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policies" -l policy-namespace -d 'Only policies of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policies" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policies" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policies" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policies" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policies" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policies" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from policies" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from p" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from p" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from p" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from p" -l policy-namespace -d 'Only policies of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from p" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from p" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from p" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from p" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from p" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from p" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from p" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from pol" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from pol" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from pol" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from pol" -l policy-namespace -d 'Only policies of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from pol" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from pol" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from pol" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from pol" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from pol" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from pol" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from pol" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificate" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificate" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificate" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificate" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificate" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificate" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificate" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificate" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificate" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificates" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificates" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificates" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificates" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificates" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificates" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificates" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificates" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificates" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certificates" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certs" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certs" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certs" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certs" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certs" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certs" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certs" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certs" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certs" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from certs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cert" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cert" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cert" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cert" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cert" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cert" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cert" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cert" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cert" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cert" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from connections" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from connections" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from connections" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from connections" -l direction -d 'Only connections in this direction' -r -f -a "inbound\t'To the workload'
outbound\t'From the workload'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from connections" -l workload-namespace -d 'Only connections of workloads in this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from connections" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from connections" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from connections" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from connections" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from connections" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from connections" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from connections" -l raw -d 'Show addresses instead of names'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from connections" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cons" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cons" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cons" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cons" -l direction -d 'Only connections in this direction' -r -f -a "inbound\t'To the workload'
outbound\t'From the workload'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cons" -l workload-namespace -d 'Only connections of workloads in this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cons" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cons" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cons" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cons" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cons" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cons" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cons" -l raw -d 'Show addresses instead of names'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from cons" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from all" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from all" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from all" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from all" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from all" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from all" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from all" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from all" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from all" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from all" -l with-headers -d 'Put a heading over each table'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from all" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from a" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from a" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from a" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from a" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from a" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from a" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from a" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from a" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from a" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from a" -l with-headers -d 'Put a heading over each table'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from a" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from log" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from log" -l level -d 'New level, such as debug or access=debug,info' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from log" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from log" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from log" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from log" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from log" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from log" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from log" -s r -l reset -d 'Go back to the level at the start'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from o" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from o" -l level -d 'New level, such as debug or access=debug,info' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from o" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from o" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from o" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from o" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from o" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from o" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from o" -s r -l reset -d 'Go back to the level at the start'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from o" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from help" -f -a "workload" -d 'Show the workloads'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from help" -f -a "service" -d 'Show the services and their endpoints'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from help" -f -a "policy" -d 'Show the authorization policies'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from help" -f -a "certificate" -d 'Show the certificates'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from help" -f -a "connections" -d 'Show the open connections'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from help" -f -a "all" -d 'Show everything'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from help" -f -a "log" -d 'Show or change the log level'
complete -c ambient -n "__fish_ambient_using_subcommand ztunnel-config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "workload" -d 'Show the workloads'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "w" -d 'Show the workloads'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "workloads" -d 'Show the workloads'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "service" -d 'Show the services and their endpoints'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "services" -d 'Show the services and their endpoints'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "s" -d 'Show the services and their endpoints'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "svc" -d 'Show the services and their endpoints'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "policy" -d 'Show the authorization policies'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "policies" -d 'Show the authorization policies'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "p" -d 'Show the authorization policies'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "pol" -d 'Show the authorization policies'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "certificate" -d 'Show the certificates'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "certificates" -d 'Show the certificates'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "certs" -d 'Show the certificates'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "cert" -d 'Show the certificates'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "connections" -d 'Show the open connections'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "cons" -d 'Show the open connections'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "all" -d 'Show everything'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "a" -d 'Show everything'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "log" -d 'Show or change the log level'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "o" -d 'Show or change the log level'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and not __fish_seen_subcommand_from workload w workloads service services s svc policy policies p pol certificate certificates certs cert connections cons all a log o help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workload" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workload" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workload" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workload" -l address -d 'Only the workload with this address' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workload" -l workload-namespace -d 'Only workloads of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workload" -l workload-node -d 'Only workloads on this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workload" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workload" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workload" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workload" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workload" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workload" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from w" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from w" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from w" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from w" -l address -d 'Only the workload with this address' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from w" -l workload-namespace -d 'Only workloads of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from w" -l workload-node -d 'Only workloads on this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from w" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from w" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from w" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from w" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from w" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from w" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from w" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workloads" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workloads" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workloads" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workloads" -l address -d 'Only the workload with this address' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workloads" -l workload-namespace -d 'Only workloads of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workloads" -l workload-node -d 'Only workloads on this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workloads" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workloads" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workloads" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workloads" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workloads" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workloads" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from workloads" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from service" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from service" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from service" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from service" -l service-namespace -d 'Only services of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from service" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from service" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from service" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from service" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from service" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from service" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from service" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from services" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from services" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from services" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from services" -l service-namespace -d 'Only services of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from services" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from services" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from services" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from services" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from services" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from services" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from services" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from s" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from s" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from s" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from s" -l service-namespace -d 'Only services of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from s" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from s" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from s" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from s" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from s" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from s" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from s" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from svc" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from svc" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from svc" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from svc" -l service-namespace -d 'Only services of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from svc" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from svc" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from svc" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from svc" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from svc" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from svc" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from svc" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policy" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policy" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policy" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policy" -l policy-namespace -d 'Only policies of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policy" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policy" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policy" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policy" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policy" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policy" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policies" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policies" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policies" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policies" -l policy-namespace -d 'Only policies of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policies" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policies" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policies" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policies" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policies" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policies" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from policies" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from p" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from p" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from p" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from p" -l policy-namespace -d 'Only policies of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from p" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from p" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from p" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from p" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from p" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from p" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from p" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from pol" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from pol" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from pol" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from pol" -l policy-namespace -d 'Only policies of this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from pol" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from pol" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from pol" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from pol" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from pol" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from pol" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from pol" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificate" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificate" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificate" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificate" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificate" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificate" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificate" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificate" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificate" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificates" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificates" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificates" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificates" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificates" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificates" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificates" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificates" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificates" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certificates" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certs" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certs" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certs" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certs" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certs" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certs" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certs" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certs" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certs" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from certs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cert" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cert" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cert" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cert" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cert" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cert" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cert" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cert" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cert" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cert" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from connections" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from connections" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from connections" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from connections" -l direction -d 'Only connections in this direction' -r -f -a "inbound\t'To the workload'
outbound\t'From the workload'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from connections" -l workload-namespace -d 'Only connections of workloads in this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from connections" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from connections" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from connections" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from connections" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from connections" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from connections" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from connections" -l raw -d 'Show addresses instead of names'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from connections" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cons" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cons" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cons" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cons" -l direction -d 'Only connections in this direction' -r -f -a "inbound\t'To the workload'
outbound\t'From the workload'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cons" -l workload-namespace -d 'Only connections of workloads in this namespace' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cons" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cons" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cons" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cons" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cons" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cons" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cons" -l raw -d 'Show addresses instead of names'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from cons" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from all" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from all" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from all" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from all" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from all" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from all" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from all" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from all" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from all" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from all" -l with-headers -d 'Put a heading over each table'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from all" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from a" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from a" -s f -l file -d 'Read a saved dump instead; `-` is the standard input' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from a" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from a" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from a" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from a" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from a" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from a" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from a" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from a" -l with-headers -d 'Put a heading over each table'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from a" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from log" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from log" -l level -d 'New level, such as debug or access=debug,info' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from log" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from log" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from log" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from log" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from log" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from log" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from log" -s r -l reset -d 'Go back to the level at the start'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from o" -l node -d 'Only the ztunnel of this node' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from o" -l level -d 'New level, such as debug or access=debug,info' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from o" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from o" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from o" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from o" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from o" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from o" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from o" -s r -l reset -d 'Go back to the level at the start'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from o" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from help" -f -a "workload" -d 'Show the workloads'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from help" -f -a "service" -d 'Show the services and their endpoints'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from help" -f -a "policy" -d 'Show the authorization policies'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from help" -f -a "certificate" -d 'Show the certificates'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from help" -f -a "connections" -d 'Show the open connections'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from help" -f -a "all" -d 'Show everything'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from help" -f -a "log" -d 'Show or change the log level'
complete -c ambient -n "__fish_ambient_using_subcommand zc; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand verify" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand verify" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand verify" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand verify" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand verify" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand verify" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand verify" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand verify" -s A -l all-namespaces -d 'All namespaces that are enrolled, or have a captured pod'
complete -c ambient -n "__fish_ambient_using_subcommand verify" -l passive -d 'Open no connections, look only at those there are'
complete -c ambient -n "__fish_ambient_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -l pause -d 'Wait for Enter before each step'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -l keep -d 'Leave the sandbox running'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -l rootless -d 'Run in a user namespace although root could do without'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -f -a "demo" -d 'Show what the mesh does, step by step, on a sandbox of its own (also without a command)'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -f -a "up" -d 'Start a sandbox'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -f -a "status" -d 'Show which sandboxes run, their pods and what is wrong with their manifests'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -f -a "apply" -d 'Apply manifests'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -f -a "delete" -d 'Delete what manifests name'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -f -a "get" -d 'List objects'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -f -a "logs" -d 'Show what a pod, or a component of the mesh, has written'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -f -a "exec" -d 'Run a program in a pod'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -f -a "top" -d 'Show what pods use'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -f -a "down" -d 'End a sandbox; nothing is left of it'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -f -a "app" -d 'Small programs for manifests: a server that tells who asked, and clients'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and not __fish_seen_subcommand_from demo up status apply delete get logs exec top down app help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from demo" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from demo" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from demo" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from demo" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from demo" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from demo" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from demo" -l pause -d 'Wait for Enter before each step'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from demo" -l keep -d 'Leave the sandbox running'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from demo" -l rootless -d 'Run in a user namespace although root could do without'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from up" -s f -l filename -d 'Folder or file of manifests to keep to; may be repeated' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from up" -l nodes -d 'Number of nodes' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from up" -l timeout -d 'Longest to wait until all is ready, such as 30s' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from up" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from up" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from up" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from up" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from up" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from up" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from up" -l rootless -d 'Run in a user namespace although root could do without'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from up" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from status" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from status" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from status" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from status" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from status" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from status" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from status" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from apply" -s f -l filename -d 'File or folder of manifests, or `-` for the standard input; may be repeated' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from apply" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from apply" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from apply" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from apply" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from apply" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from apply" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from delete" -s f -l filename -d 'File or folder of manifests, or `-` for the standard input; may be repeated' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from delete" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from delete" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from delete" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from delete" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from delete" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from delete" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from get" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from get" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from get" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from get" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from get" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from get" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from get" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from get" -s A -l all-namespaces -d 'All namespaces, also when -n is given'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from logs" -l container -d 'Container of the pod' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from logs" -l tail -d 'The last lines alone' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from logs" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from logs" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from logs" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from logs" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from logs" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from logs" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on with what comes'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from exec" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from exec" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from exec" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from exec" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from exec" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from exec" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from exec" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from top" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from top" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from top" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from top" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from top" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from top" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from top" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from top" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from down" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from down" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from down" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from down" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from down" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from down" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from down" -l all -d 'All of them'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from down" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from app" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from app" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from app" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from app" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from app" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from app" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from app" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from app" -f -a "serve" -d 'Serve HTTP: every answer tells the server\'s name and the client\'s address and headers'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from app" -f -a "get" -d 'Ask once, and print the answer; exit code 1 when there is none'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from app" -f -a "hold" -d 'Keep a connection busy until standard input ends; exit code 1 when it breaks'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from app" -f -a "impostor" -d 'Try to be a peer of the mesh with a certificate that nobody vouches for; exit code 0 when it is refused'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from app" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from help" -f -a "demo" -d 'Show what the mesh does, step by step, on a sandbox of its own (also without a command)'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from help" -f -a "up" -d 'Start a sandbox'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from help" -f -a "status" -d 'Show which sandboxes run, their pods and what is wrong with their manifests'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from help" -f -a "apply" -d 'Apply manifests'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Delete what manifests name'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from help" -f -a "get" -d 'List objects'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from help" -f -a "logs" -d 'Show what a pod, or a component of the mesh, has written'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from help" -f -a "exec" -d 'Run a program in a pod'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from help" -f -a "top" -d 'Show what pods use'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from help" -f -a "down" -d 'End a sandbox; nothing is left of it'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from help" -f -a "app" -d 'Small programs for manifests: a server that tells who asked, and clients'
complete -c ambient -n "__fish_ambient_using_subcommand sandbox; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand token" -l state -d 'State directory of the folder' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand token" -l expires -d 'How long it holds, 10m to 24h' -r
complete -c ambient -n "__fish_ambient_using_subcommand token" -l write -d 'Write `token` and `root-cert.pem` into this folder instead of printing the token' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand token" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand token" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand token" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand token" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand token" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand token" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand token" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand version" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Columns for people'
json\t'JSON'
yaml\t'YAML'"
complete -c ambient -n "__fish_ambient_using_subcommand version" -l remote -d 'Ask the cluster too' -r -f -a "true\t''
false\t''"
complete -c ambient -n "__fish_ambient_using_subcommand version" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand version" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand version" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand version" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand version" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand version" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand version" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand completion" -s c -l kubeconfig -d 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod\'s own account; without any of them the only sandbox that runs]' -r -F
complete -c ambient -n "__fish_ambient_using_subcommand completion" -l context -d 'Context of the kubeconfig to use' -r
complete -c ambient -n "__fish_ambient_using_subcommand completion" -l sandbox -d 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name' -r
complete -c ambient -n "__fish_ambient_using_subcommand completion" -s n -l namespace -d 'Namespace that the command is about' -r
complete -c ambient -n "__fish_ambient_using_subcommand completion" -s i -l istio-namespace -d 'Namespace that the mesh is installed in' -r
complete -c ambient -n "__fish_ambient_using_subcommand completion" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ambient -n "__fish_ambient_using_subcommand completion" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ambient -n "__fish_ambient_using_subcommand help; and not __fish_seen_subcommand_from install manifest uninstall namespace waypoint status ztunnel-config verify sandbox token version completion help" -f -a "install" -d 'Install the mesh, or bring it up to date'
complete -c ambient -n "__fish_ambient_using_subcommand help; and not __fish_seen_subcommand_from install manifest uninstall namespace waypoint status ztunnel-config verify sandbox token version completion help" -f -a "manifest" -d 'Print the manifests that install applies'
complete -c ambient -n "__fish_ambient_using_subcommand help; and not __fish_seen_subcommand_from install manifest uninstall namespace waypoint status ztunnel-config verify sandbox token version completion help" -f -a "uninstall" -d 'Take the mesh out of the cluster again'
complete -c ambient -n "__fish_ambient_using_subcommand help; and not __fish_seen_subcommand_from install manifest uninstall namespace waypoint status ztunnel-config verify sandbox token version completion help" -f -a "namespace" -d 'Enrol namespaces and pods, or take them out'
complete -c ambient -n "__fish_ambient_using_subcommand help; and not __fish_seen_subcommand_from install manifest uninstall namespace waypoint status ztunnel-config verify sandbox token version completion help" -f -a "waypoint" -d 'Give namespaces, services and service accounts proxies at layer 7'
complete -c ambient -n "__fish_ambient_using_subcommand help; and not __fish_seen_subcommand_from install manifest uninstall namespace waypoint status ztunnel-config verify sandbox token version completion help" -f -a "status" -d 'Show whether the mesh is well'
complete -c ambient -n "__fish_ambient_using_subcommand help; and not __fish_seen_subcommand_from install manifest uninstall namespace waypoint status ztunnel-config verify sandbox token version completion help" -f -a "ztunnel-config" -d 'Show what the ztunnels know: workloads, services, policies, certificates, connections'
complete -c ambient -n "__fish_ambient_using_subcommand help; and not __fish_seen_subcommand_from install manifest uninstall namespace waypoint status ztunnel-config verify sandbox token version completion help" -f -a "verify" -d 'Prove from live evidence whether traffic is mTLS'
complete -c ambient -n "__fish_ambient_using_subcommand help; and not __fish_seen_subcommand_from install manifest uninstall namespace waypoint status ztunnel-config verify sandbox token version completion help" -f -a "sandbox" -d 'Run the whole mesh on this machine, without Kubernetes'
complete -c ambient -n "__fish_ambient_using_subcommand help; and not __fish_seen_subcommand_from install manifest uninstall namespace waypoint status ztunnel-config verify sandbox token version completion help" -f -a "token" -d 'Issue the token of a pod where a folder stands in for Kubernetes'
complete -c ambient -n "__fish_ambient_using_subcommand help; and not __fish_seen_subcommand_from install manifest uninstall namespace waypoint status ztunnel-config verify sandbox token version completion help" -f -a "version" -d 'Show the versions of this program and of the mesh'
complete -c ambient -n "__fish_ambient_using_subcommand help; and not __fish_seen_subcommand_from install manifest uninstall namespace waypoint status ztunnel-config verify sandbox token version completion help" -f -a "completion" -d 'Print the completion script of a shell'
complete -c ambient -n "__fish_ambient_using_subcommand help; and not __fish_seen_subcommand_from install manifest uninstall namespace waypoint status ztunnel-config verify sandbox token version completion help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from namespace" -f -a "add" -d 'Enrol: all pods are captured, running ones too'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from namespace" -f -a "remove" -d 'Take out: traffic flows as if there were no mesh'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from namespace" -f -a "list" -d 'List the namespaces and how many of their pods are captured'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from waypoint" -f -a "apply" -d 'Make a waypoint, or change one, and put whom you name behind it'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from waypoint" -f -a "generate" -d 'Print the Gateway that apply makes, without a cluster'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from waypoint" -f -a "list" -d 'List the waypoints: what they take, whether they run, how many are behind them'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from waypoint" -f -a "status" -d 'Show whether waypoints are ready, and who is not behind them and why'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from waypoint" -f -a "delete" -d 'Delete waypoints, and the labels that name them'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from waypoint" -f -a "config" -d 'Show the routes, backends and policies as the proxies have them'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from ztunnel-config" -f -a "workload" -d 'Show the workloads'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from ztunnel-config" -f -a "service" -d 'Show the services and their endpoints'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from ztunnel-config" -f -a "policy" -d 'Show the authorization policies'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from ztunnel-config" -f -a "certificate" -d 'Show the certificates'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from ztunnel-config" -f -a "connections" -d 'Show the open connections'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from ztunnel-config" -f -a "all" -d 'Show everything'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from ztunnel-config" -f -a "log" -d 'Show or change the log level'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from sandbox" -f -a "demo" -d 'Show what the mesh does, step by step, on a sandbox of its own (also without a command)'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from sandbox" -f -a "up" -d 'Start a sandbox'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from sandbox" -f -a "status" -d 'Show which sandboxes run, their pods and what is wrong with their manifests'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from sandbox" -f -a "apply" -d 'Apply manifests'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from sandbox" -f -a "delete" -d 'Delete what manifests name'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from sandbox" -f -a "get" -d 'List objects'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from sandbox" -f -a "logs" -d 'Show what a pod, or a component of the mesh, has written'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from sandbox" -f -a "exec" -d 'Run a program in a pod'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from sandbox" -f -a "top" -d 'Show what pods use'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from sandbox" -f -a "down" -d 'End a sandbox; nothing is left of it'
complete -c ambient -n "__fish_ambient_using_subcommand help; and __fish_seen_subcommand_from sandbox" -f -a "app" -d 'Small programs for manifests: a server that tells who asked, and clients'
