
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'ambient' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'ambient'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'ambient' {
            [CompletionResult]::new('--role', '--role', [CompletionResultType]::ParameterName, 'Run as a component of the mesh instead of a command')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('install', 'install', [CompletionResultType]::ParameterValue, 'Install the mesh, or bring it up to date')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Install the mesh, or bring it up to date')
            [CompletionResult]::new('manifest', 'manifest', [CompletionResultType]::ParameterValue, 'Print the manifests that install applies')
            [CompletionResult]::new('uninstall', 'uninstall', [CompletionResultType]::ParameterValue, 'Take the mesh out of the cluster again')
            [CompletionResult]::new('namespace', 'namespace', [CompletionResultType]::ParameterValue, 'Enrol namespaces and pods, or take them out')
            [CompletionResult]::new('ns', 'ns', [CompletionResultType]::ParameterValue, 'Enrol namespaces and pods, or take them out')
            [CompletionResult]::new('waypoint', 'waypoint', [CompletionResultType]::ParameterValue, 'Give namespaces, services and service accounts proxies at layer 7')
            [CompletionResult]::new('wp', 'wp', [CompletionResultType]::ParameterValue, 'Give namespaces, services and service accounts proxies at layer 7')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show whether the mesh is well')
            [CompletionResult]::new('ztunnel-config', 'ztunnel-config', [CompletionResultType]::ParameterValue, 'Show what the ztunnels know: workloads, services, policies, certificates, connections')
            [CompletionResult]::new('zc', 'zc', [CompletionResultType]::ParameterValue, 'Show what the ztunnels know: workloads, services, policies, certificates, connections')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Prove from live evidence whether traffic is mTLS')
            [CompletionResult]::new('sandbox', 'sandbox', [CompletionResultType]::ParameterValue, 'Run the whole mesh on this machine, without Kubernetes')
            [CompletionResult]::new('token', 'token', [CompletionResultType]::ParameterValue, 'Issue the token of a pod where a folder stands in for Kubernetes')
            [CompletionResult]::new('version', 'version', [CompletionResultType]::ParameterValue, 'Show the versions of this program and of the mesh')
            [CompletionResult]::new('completion', 'completion', [CompletionResultType]::ParameterValue, 'Print the completion script of a shell')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;install' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Overlay file with settings; may be repeated, later ones win')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'Overlay file with settings; may be repeated, later ones win')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'One setting, such as image.tag=dev; may be repeated, wins over files')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'One setting, such as image.tag=dev; may be repeated, wins over files')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait until all components are ready')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would change and keep nothing')
            [CompletionResult]::new('--print', '--print', [CompletionResultType]::ParameterName, 'Print the manifests instead of applying them')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;apply' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Overlay file with settings; may be repeated, later ones win')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'Overlay file with settings; may be repeated, later ones win')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'One setting, such as image.tag=dev; may be repeated, wins over files')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'One setting, such as image.tag=dev; may be repeated, wins over files')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait until all components are ready')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would change and keep nothing')
            [CompletionResult]::new('--print', '--print', [CompletionResultType]::ParameterName, 'Print the manifests instead of applying them')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;manifest' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Overlay file with settings; may be repeated, later ones win')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'Overlay file with settings; may be repeated, later ones win')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'One setting, such as image.tag=dev; may be repeated, wins over files')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'One setting, such as image.tag=dev; may be repeated, wins over files')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;uninstall' {
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest to wait for each step, such as 90s or 5m')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--purge', '--purge', [CompletionResultType]::ParameterName, 'Delete the resource definitions too (Istio''s, and RateLimit), and with them all objects of these kinds')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--skip-confirmation', '--skip-confirmation', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Go on where pods are not released; these have no network until they are restarted')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show the plan and do nothing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;namespace' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Enrol: all pods are captured, running ones too')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Take out: traffic flows as if there were no mesh')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the namespaces and how many of their pods are captured')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;ns' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Enrol: all pods are captured, running ones too')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Take out: traffic flows as if there were no mesh')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the namespaces and how many of their pods are captured')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;namespace;add' {
            [CompletionResult]::new('--pod', '--pod', [CompletionResultType]::ParameterName, 'A pod, as namespace/name, or a name in the namespace of -n; may be repeated')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait until every running pod is captured, or released')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--mesh', '--mesh', [CompletionResultType]::ParameterName, 'The whole mesh: the default of every namespace')
            [CompletionResult]::new('--all-mesh', '--all-mesh', [CompletionResultType]::ParameterName, 'The whole mesh: the default of every namespace')
            [CompletionResult]::new('--cut-existing', '--cut-existing', [CompletionResultType]::ParameterName, 'Close connections that are older than the enrolment, so that applications open them again through the mesh')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ns;add' {
            [CompletionResult]::new('--pod', '--pod', [CompletionResultType]::ParameterName, 'A pod, as namespace/name, or a name in the namespace of -n; may be repeated')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait until every running pod is captured, or released')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--mesh', '--mesh', [CompletionResultType]::ParameterName, 'The whole mesh: the default of every namespace')
            [CompletionResult]::new('--all-mesh', '--all-mesh', [CompletionResultType]::ParameterName, 'The whole mesh: the default of every namespace')
            [CompletionResult]::new('--cut-existing', '--cut-existing', [CompletionResultType]::ParameterName, 'Close connections that are older than the enrolment, so that applications open them again through the mesh')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;namespace;remove' {
            [CompletionResult]::new('--pod', '--pod', [CompletionResultType]::ParameterName, 'A pod, as namespace/name, or a name in the namespace of -n; may be repeated')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait until every running pod is captured, or released')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--mesh', '--mesh', [CompletionResultType]::ParameterName, 'The whole mesh: the default of every namespace')
            [CompletionResult]::new('--all-mesh', '--all-mesh', [CompletionResultType]::ParameterName, 'The whole mesh: the default of every namespace')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ns;remove' {
            [CompletionResult]::new('--pod', '--pod', [CompletionResultType]::ParameterName, 'A pod, as namespace/name, or a name in the namespace of -n; may be repeated')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait until every running pod is captured, or released')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--mesh', '--mesh', [CompletionResultType]::ParameterName, 'The whole mesh: the default of every namespace')
            [CompletionResult]::new('--all-mesh', '--all-mesh', [CompletionResultType]::ParameterName, 'The whole mesh: the default of every namespace')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;namespace;list' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the list')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the list')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ns;list' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the list')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the list')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;namespace;help' {
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Enrol: all pods are captured, running ones too')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Take out: traffic flows as if there were no mesh')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the namespaces and how many of their pods are captured')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;namespace;help;add' {
            break
        }
        'ambient;namespace;help;remove' {
            break
        }
        'ambient;namespace;help;list' {
            break
        }
        'ambient;namespace;help;help' {
            break
        }
        'ambient;ns;help' {
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Enrol: all pods are captured, running ones too')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Take out: traffic flows as if there were no mesh')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the namespaces and how many of their pods are captured')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;ns;help;add' {
            break
        }
        'ambient;ns;help;remove' {
            break
        }
        'ambient;ns;help;list' {
            break
        }
        'ambient;ns;help;help' {
            break
        }
        'ambient;waypoint' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Make a waypoint, or change one, and put whom you name behind it')
            [CompletionResult]::new('generate', 'generate', [CompletionResultType]::ParameterValue, 'Print the Gateway that apply makes, without a cluster')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the waypoints: what they take, whether they run, how many are behind them')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show whether waypoints are ready, and who is not behind them and why')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete waypoints, and the labels that name them')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Show the routes, backends and policies as the proxies have them')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;wp' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Make a waypoint, or change one, and put whom you name behind it')
            [CompletionResult]::new('generate', 'generate', [CompletionResultType]::ParameterValue, 'Print the Gateway that apply makes, without a cluster')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the waypoints: what they take, whether they run, how many are behind them')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show whether waypoints are ready, and who is not behind them and why')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete waypoints, and the labels that name them')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Show the routes, backends and policies as the proxies have them')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;waypoint;apply' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Name of the waypoint')
            [CompletionResult]::new('--for', '--for', [CompletionResultType]::ParameterName, 'Which traffic it takes: that to services, to the addresses of pods, both or none [default: service]')
            [CompletionResult]::new('--replicas', '--replicas', [CompletionResultType]::ParameterName, 'How many pods run it [default: that of the installation, 2]')
            [CompletionResult]::new('--autoscale', '--autoscale', [CompletionResultType]::ParameterName, 'The least and the most pods, by load, such as 2-6')
            [CompletionResult]::new('--autoscale-on', '--autoscale-on', [CompletionResultType]::ParameterName, 'By which load: processor time in per cent of what is set aside, requests under way in each pod, or both [default: cpu=80]')
            [CompletionResult]::new('--cpu', '--cpu', [CompletionResultType]::ParameterName, 'The processors that are set aside for a pod, such as 250m')
            [CompletionResult]::new('--memory', '--memory', [CompletionResultType]::ParameterName, 'The memory that is set aside for a pod, such as 128Mi')
            [CompletionResult]::new('--class', '--class', [CompletionResultType]::ParameterName, 'Class of the Gateway [default: istio-waypoint]')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Label the Gateway for a revision of Istio''s control plane; ambient''s own sees to all')
            [CompletionResult]::new('--revision', '--revision', [CompletionResultType]::ParameterName, 'Label the Gateway for a revision of Istio''s control plane; ambient''s own sees to all')
            [CompletionResult]::new('--enroll-service', '--enroll-service', [CompletionResultType]::ParameterName, 'Put a service of the namespace behind it; may be repeated')
            [CompletionResult]::new('--enroll-service-account', '--enroll-service-account', [CompletionResultType]::ParameterName, 'Put the pods that run as a service account behind it, and the services that select only such; may be repeated. A new waypoint is then one for `all`, if --for says nothing')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('--waypoint-timeout', '--waypoint-timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'With --dry-run: the difference as a table, or the objects as they would be')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'With --dry-run: the difference as a table, or the objects as they would be')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--enroll-namespace', '--enroll-namespace', [CompletionResultType]::ParameterName, 'Put the namespace behind it: all services and pods that say nothing else themselves')
            [CompletionResult]::new('--overwrite', '--overwrite', [CompletionResultType]::ParameterName, 'Take over what somebody else set, and put behind it what names another waypoint')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait until it takes traffic, and whom you name is behind it')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait until it takes traffic, and whom you name is behind it')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would change, as the server computes it, and keep nothing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;wp;apply' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Name of the waypoint')
            [CompletionResult]::new('--for', '--for', [CompletionResultType]::ParameterName, 'Which traffic it takes: that to services, to the addresses of pods, both or none [default: service]')
            [CompletionResult]::new('--replicas', '--replicas', [CompletionResultType]::ParameterName, 'How many pods run it [default: that of the installation, 2]')
            [CompletionResult]::new('--autoscale', '--autoscale', [CompletionResultType]::ParameterName, 'The least and the most pods, by load, such as 2-6')
            [CompletionResult]::new('--autoscale-on', '--autoscale-on', [CompletionResultType]::ParameterName, 'By which load: processor time in per cent of what is set aside, requests under way in each pod, or both [default: cpu=80]')
            [CompletionResult]::new('--cpu', '--cpu', [CompletionResultType]::ParameterName, 'The processors that are set aside for a pod, such as 250m')
            [CompletionResult]::new('--memory', '--memory', [CompletionResultType]::ParameterName, 'The memory that is set aside for a pod, such as 128Mi')
            [CompletionResult]::new('--class', '--class', [CompletionResultType]::ParameterName, 'Class of the Gateway [default: istio-waypoint]')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Label the Gateway for a revision of Istio''s control plane; ambient''s own sees to all')
            [CompletionResult]::new('--revision', '--revision', [CompletionResultType]::ParameterName, 'Label the Gateway for a revision of Istio''s control plane; ambient''s own sees to all')
            [CompletionResult]::new('--enroll-service', '--enroll-service', [CompletionResultType]::ParameterName, 'Put a service of the namespace behind it; may be repeated')
            [CompletionResult]::new('--enroll-service-account', '--enroll-service-account', [CompletionResultType]::ParameterName, 'Put the pods that run as a service account behind it, and the services that select only such; may be repeated. A new waypoint is then one for `all`, if --for says nothing')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('--waypoint-timeout', '--waypoint-timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'With --dry-run: the difference as a table, or the objects as they would be')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'With --dry-run: the difference as a table, or the objects as they would be')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--enroll-namespace', '--enroll-namespace', [CompletionResultType]::ParameterName, 'Put the namespace behind it: all services and pods that say nothing else themselves')
            [CompletionResult]::new('--overwrite', '--overwrite', [CompletionResultType]::ParameterName, 'Take over what somebody else set, and put behind it what names another waypoint')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait until it takes traffic, and whom you name is behind it')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait until it takes traffic, and whom you name is behind it')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would change, as the server computes it, and keep nothing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;waypoint;generate' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Name of the waypoint')
            [CompletionResult]::new('--for', '--for', [CompletionResultType]::ParameterName, 'Which traffic it takes: that to services, to the addresses of pods, both or none [default: service]')
            [CompletionResult]::new('--replicas', '--replicas', [CompletionResultType]::ParameterName, 'How many pods run it [default: that of the installation, 2]')
            [CompletionResult]::new('--autoscale', '--autoscale', [CompletionResultType]::ParameterName, 'The least and the most pods, by load, such as 2-6')
            [CompletionResult]::new('--autoscale-on', '--autoscale-on', [CompletionResultType]::ParameterName, 'By which load: processor time in per cent of what is set aside, requests under way in each pod, or both [default: cpu=80]')
            [CompletionResult]::new('--cpu', '--cpu', [CompletionResultType]::ParameterName, 'The processors that are set aside for a pod, such as 250m')
            [CompletionResult]::new('--memory', '--memory', [CompletionResultType]::ParameterName, 'The memory that is set aside for a pod, such as 128Mi')
            [CompletionResult]::new('--class', '--class', [CompletionResultType]::ParameterName, 'Class of the Gateway [default: istio-waypoint]')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Label the Gateway for a revision of Istio''s control plane; ambient''s own sees to all')
            [CompletionResult]::new('--revision', '--revision', [CompletionResultType]::ParameterName, 'Label the Gateway for a revision of Istio''s control plane; ambient''s own sees to all')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write it')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write it')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;wp;generate' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Name of the waypoint')
            [CompletionResult]::new('--for', '--for', [CompletionResultType]::ParameterName, 'Which traffic it takes: that to services, to the addresses of pods, both or none [default: service]')
            [CompletionResult]::new('--replicas', '--replicas', [CompletionResultType]::ParameterName, 'How many pods run it [default: that of the installation, 2]')
            [CompletionResult]::new('--autoscale', '--autoscale', [CompletionResultType]::ParameterName, 'The least and the most pods, by load, such as 2-6')
            [CompletionResult]::new('--autoscale-on', '--autoscale-on', [CompletionResultType]::ParameterName, 'By which load: processor time in per cent of what is set aside, requests under way in each pod, or both [default: cpu=80]')
            [CompletionResult]::new('--cpu', '--cpu', [CompletionResultType]::ParameterName, 'The processors that are set aside for a pod, such as 250m')
            [CompletionResult]::new('--memory', '--memory', [CompletionResultType]::ParameterName, 'The memory that is set aside for a pod, such as 128Mi')
            [CompletionResult]::new('--class', '--class', [CompletionResultType]::ParameterName, 'Class of the Gateway [default: istio-waypoint]')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Label the Gateway for a revision of Istio''s control plane; ambient''s own sees to all')
            [CompletionResult]::new('--revision', '--revision', [CompletionResultType]::ParameterName, 'Label the Gateway for a revision of Istio''s control plane; ambient''s own sees to all')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write it')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write it')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;waypoint;list' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the list')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the list')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'Those of all namespaces')
            [CompletionResult]::new('--all-namespaces', '--all-namespaces', [CompletionResultType]::ParameterName, 'Those of all namespaces')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;wp;list' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the list')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the list')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'Those of all namespaces')
            [CompletionResult]::new('--all-namespaces', '--all-namespaces', [CompletionResultType]::ParameterName, 'Those of all namespaces')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;waypoint;status' {
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('--waypoint-timeout', '--waypoint-timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'Those of all namespaces')
            [CompletionResult]::new('--all-namespaces', '--all-namespaces', [CompletionResultType]::ParameterName, 'Those of all namespaces')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait until all is well')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait until all is well')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;wp;status' {
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('--waypoint-timeout', '--waypoint-timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'Those of all namespaces')
            [CompletionResult]::new('--all-namespaces', '--all-namespaces', [CompletionResultType]::ParameterName, 'Those of all namespaces')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait until all is well')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait until all is well')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;waypoint;delete' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'All waypoints of the namespace that are labelled for this revision')
            [CompletionResult]::new('--revision', '--revision', [CompletionResultType]::ParameterName, 'All waypoints of the namespace that are labelled for this revision')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'All waypoints of the namespace')
            [CompletionResult]::new('--keep-labels', '--keep-labels', [CompletionResultType]::ParameterName, 'Leave the labels that name them')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--skip-confirmation', '--skip-confirmation', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show the plan, have the server judge it, and keep everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;wp;delete' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'All waypoints of the namespace that are labelled for this revision')
            [CompletionResult]::new('--revision', '--revision', [CompletionResultType]::ParameterName, 'All waypoints of the namespace that are labelled for this revision')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'All waypoints of the namespace')
            [CompletionResult]::new('--keep-labels', '--keep-labels', [CompletionResultType]::ParameterName, 'Leave the labels that name them')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--skip-confirmation', '--skip-confirmation', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show the plan, have the server judge it, and keep everything')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;waypoint;config' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;wp;config' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;waypoint;help' {
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Make a waypoint, or change one, and put whom you name behind it')
            [CompletionResult]::new('generate', 'generate', [CompletionResultType]::ParameterValue, 'Print the Gateway that apply makes, without a cluster')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the waypoints: what they take, whether they run, how many are behind them')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show whether waypoints are ready, and who is not behind them and why')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete waypoints, and the labels that name them')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Show the routes, backends and policies as the proxies have them')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;waypoint;help;apply' {
            break
        }
        'ambient;waypoint;help;generate' {
            break
        }
        'ambient;waypoint;help;list' {
            break
        }
        'ambient;waypoint;help;status' {
            break
        }
        'ambient;waypoint;help;delete' {
            break
        }
        'ambient;waypoint;help;config' {
            break
        }
        'ambient;waypoint;help;help' {
            break
        }
        'ambient;wp;help' {
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Make a waypoint, or change one, and put whom you name behind it')
            [CompletionResult]::new('generate', 'generate', [CompletionResultType]::ParameterValue, 'Print the Gateway that apply makes, without a cluster')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the waypoints: what they take, whether they run, how many are behind them')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show whether waypoints are ready, and who is not behind them and why')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete waypoints, and the labels that name them')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Show the routes, backends and policies as the proxies have them')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;wp;help;apply' {
            break
        }
        'ambient;wp;help;generate' {
            break
        }
        'ambient;wp;help;list' {
            break
        }
        'ambient;wp;help;status' {
            break
        }
        'ambient;wp;help;delete' {
            break
        }
        'ambient;wp;help;config' {
            break
        }
        'ambient;wp;help;help' {
            break
        }
        'ambient;status' {
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest to wait, such as 90s or 5m')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait until all is well')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait until all is well')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('workload', 'workload', [CompletionResultType]::ParameterValue, 'Show the workloads')
            [CompletionResult]::new('w', 'w', [CompletionResultType]::ParameterValue, 'Show the workloads')
            [CompletionResult]::new('workloads', 'workloads', [CompletionResultType]::ParameterValue, 'Show the workloads')
            [CompletionResult]::new('service', 'service', [CompletionResultType]::ParameterValue, 'Show the services and their endpoints')
            [CompletionResult]::new('services', 'services', [CompletionResultType]::ParameterValue, 'Show the services and their endpoints')
            [CompletionResult]::new('s', 's', [CompletionResultType]::ParameterValue, 'Show the services and their endpoints')
            [CompletionResult]::new('svc', 'svc', [CompletionResultType]::ParameterValue, 'Show the services and their endpoints')
            [CompletionResult]::new('policy', 'policy', [CompletionResultType]::ParameterValue, 'Show the authorization policies')
            [CompletionResult]::new('policies', 'policies', [CompletionResultType]::ParameterValue, 'Show the authorization policies')
            [CompletionResult]::new('p', 'p', [CompletionResultType]::ParameterValue, 'Show the authorization policies')
            [CompletionResult]::new('pol', 'pol', [CompletionResultType]::ParameterValue, 'Show the authorization policies')
            [CompletionResult]::new('certificate', 'certificate', [CompletionResultType]::ParameterValue, 'Show the certificates')
            [CompletionResult]::new('certificates', 'certificates', [CompletionResultType]::ParameterValue, 'Show the certificates')
            [CompletionResult]::new('certs', 'certs', [CompletionResultType]::ParameterValue, 'Show the certificates')
            [CompletionResult]::new('cert', 'cert', [CompletionResultType]::ParameterValue, 'Show the certificates')
            [CompletionResult]::new('connections', 'connections', [CompletionResultType]::ParameterValue, 'Show the open connections')
            [CompletionResult]::new('cons', 'cons', [CompletionResultType]::ParameterValue, 'Show the open connections')
            [CompletionResult]::new('all', 'all', [CompletionResultType]::ParameterValue, 'Show everything')
            [CompletionResult]::new('a', 'a', [CompletionResultType]::ParameterValue, 'Show everything')
            [CompletionResult]::new('log', 'log', [CompletionResultType]::ParameterValue, 'Show or change the log level')
            [CompletionResult]::new('o', 'o', [CompletionResultType]::ParameterValue, 'Show or change the log level')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;zc' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('workload', 'workload', [CompletionResultType]::ParameterValue, 'Show the workloads')
            [CompletionResult]::new('w', 'w', [CompletionResultType]::ParameterValue, 'Show the workloads')
            [CompletionResult]::new('workloads', 'workloads', [CompletionResultType]::ParameterValue, 'Show the workloads')
            [CompletionResult]::new('service', 'service', [CompletionResultType]::ParameterValue, 'Show the services and their endpoints')
            [CompletionResult]::new('services', 'services', [CompletionResultType]::ParameterValue, 'Show the services and their endpoints')
            [CompletionResult]::new('s', 's', [CompletionResultType]::ParameterValue, 'Show the services and their endpoints')
            [CompletionResult]::new('svc', 'svc', [CompletionResultType]::ParameterValue, 'Show the services and their endpoints')
            [CompletionResult]::new('policy', 'policy', [CompletionResultType]::ParameterValue, 'Show the authorization policies')
            [CompletionResult]::new('policies', 'policies', [CompletionResultType]::ParameterValue, 'Show the authorization policies')
            [CompletionResult]::new('p', 'p', [CompletionResultType]::ParameterValue, 'Show the authorization policies')
            [CompletionResult]::new('pol', 'pol', [CompletionResultType]::ParameterValue, 'Show the authorization policies')
            [CompletionResult]::new('certificate', 'certificate', [CompletionResultType]::ParameterValue, 'Show the certificates')
            [CompletionResult]::new('certificates', 'certificates', [CompletionResultType]::ParameterValue, 'Show the certificates')
            [CompletionResult]::new('certs', 'certs', [CompletionResultType]::ParameterValue, 'Show the certificates')
            [CompletionResult]::new('cert', 'cert', [CompletionResultType]::ParameterValue, 'Show the certificates')
            [CompletionResult]::new('connections', 'connections', [CompletionResultType]::ParameterValue, 'Show the open connections')
            [CompletionResult]::new('cons', 'cons', [CompletionResultType]::ParameterValue, 'Show the open connections')
            [CompletionResult]::new('all', 'all', [CompletionResultType]::ParameterValue, 'Show everything')
            [CompletionResult]::new('a', 'a', [CompletionResultType]::ParameterValue, 'Show everything')
            [CompletionResult]::new('log', 'log', [CompletionResultType]::ParameterValue, 'Show or change the log level')
            [CompletionResult]::new('o', 'o', [CompletionResultType]::ParameterValue, 'Show or change the log level')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;ztunnel-config;workload' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--address', '--address', [CompletionResultType]::ParameterName, 'Only the workload with this address')
            [CompletionResult]::new('--workload-namespace', '--workload-namespace', [CompletionResultType]::ParameterName, 'Only workloads of this namespace')
            [CompletionResult]::new('--workload-node', '--workload-node', [CompletionResultType]::ParameterName, 'Only workloads on this node')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;w' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--address', '--address', [CompletionResultType]::ParameterName, 'Only the workload with this address')
            [CompletionResult]::new('--workload-namespace', '--workload-namespace', [CompletionResultType]::ParameterName, 'Only workloads of this namespace')
            [CompletionResult]::new('--workload-node', '--workload-node', [CompletionResultType]::ParameterName, 'Only workloads on this node')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;workloads' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--address', '--address', [CompletionResultType]::ParameterName, 'Only the workload with this address')
            [CompletionResult]::new('--workload-namespace', '--workload-namespace', [CompletionResultType]::ParameterName, 'Only workloads of this namespace')
            [CompletionResult]::new('--workload-node', '--workload-node', [CompletionResultType]::ParameterName, 'Only workloads on this node')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;workload' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--address', '--address', [CompletionResultType]::ParameterName, 'Only the workload with this address')
            [CompletionResult]::new('--workload-namespace', '--workload-namespace', [CompletionResultType]::ParameterName, 'Only workloads of this namespace')
            [CompletionResult]::new('--workload-node', '--workload-node', [CompletionResultType]::ParameterName, 'Only workloads on this node')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;w' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--address', '--address', [CompletionResultType]::ParameterName, 'Only the workload with this address')
            [CompletionResult]::new('--workload-namespace', '--workload-namespace', [CompletionResultType]::ParameterName, 'Only workloads of this namespace')
            [CompletionResult]::new('--workload-node', '--workload-node', [CompletionResultType]::ParameterName, 'Only workloads on this node')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;workloads' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--address', '--address', [CompletionResultType]::ParameterName, 'Only the workload with this address')
            [CompletionResult]::new('--workload-namespace', '--workload-namespace', [CompletionResultType]::ParameterName, 'Only workloads of this namespace')
            [CompletionResult]::new('--workload-node', '--workload-node', [CompletionResultType]::ParameterName, 'Only workloads on this node')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;service' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--service-namespace', '--service-namespace', [CompletionResultType]::ParameterName, 'Only services of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;services' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--service-namespace', '--service-namespace', [CompletionResultType]::ParameterName, 'Only services of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;s' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--service-namespace', '--service-namespace', [CompletionResultType]::ParameterName, 'Only services of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;svc' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--service-namespace', '--service-namespace', [CompletionResultType]::ParameterName, 'Only services of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;service' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--service-namespace', '--service-namespace', [CompletionResultType]::ParameterName, 'Only services of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;services' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--service-namespace', '--service-namespace', [CompletionResultType]::ParameterName, 'Only services of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;s' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--service-namespace', '--service-namespace', [CompletionResultType]::ParameterName, 'Only services of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;svc' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--service-namespace', '--service-namespace', [CompletionResultType]::ParameterName, 'Only services of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;policy' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--policy-namespace', '--policy-namespace', [CompletionResultType]::ParameterName, 'Only policies of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;policies' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--policy-namespace', '--policy-namespace', [CompletionResultType]::ParameterName, 'Only policies of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;p' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--policy-namespace', '--policy-namespace', [CompletionResultType]::ParameterName, 'Only policies of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;pol' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--policy-namespace', '--policy-namespace', [CompletionResultType]::ParameterName, 'Only policies of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;policy' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--policy-namespace', '--policy-namespace', [CompletionResultType]::ParameterName, 'Only policies of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;policies' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--policy-namespace', '--policy-namespace', [CompletionResultType]::ParameterName, 'Only policies of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;p' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--policy-namespace', '--policy-namespace', [CompletionResultType]::ParameterName, 'Only policies of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;pol' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--policy-namespace', '--policy-namespace', [CompletionResultType]::ParameterName, 'Only policies of this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;certificate' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;certificates' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;certs' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;cert' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;certificate' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;certificates' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;certs' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;cert' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;connections' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--direction', '--direction', [CompletionResultType]::ParameterName, 'Only connections in this direction')
            [CompletionResult]::new('--workload-namespace', '--workload-namespace', [CompletionResultType]::ParameterName, 'Only connections of workloads in this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--raw', '--raw', [CompletionResultType]::ParameterName, 'Show addresses instead of names')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;cons' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--direction', '--direction', [CompletionResultType]::ParameterName, 'Only connections in this direction')
            [CompletionResult]::new('--workload-namespace', '--workload-namespace', [CompletionResultType]::ParameterName, 'Only connections of workloads in this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--raw', '--raw', [CompletionResultType]::ParameterName, 'Show addresses instead of names')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;connections' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--direction', '--direction', [CompletionResultType]::ParameterName, 'Only connections in this direction')
            [CompletionResult]::new('--workload-namespace', '--workload-namespace', [CompletionResultType]::ParameterName, 'Only connections of workloads in this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--raw', '--raw', [CompletionResultType]::ParameterName, 'Show addresses instead of names')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;cons' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--direction', '--direction', [CompletionResultType]::ParameterName, 'Only connections in this direction')
            [CompletionResult]::new('--workload-namespace', '--workload-namespace', [CompletionResultType]::ParameterName, 'Only connections of workloads in this namespace')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--raw', '--raw', [CompletionResultType]::ParameterName, 'Show addresses instead of names')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;all' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--with-headers', '--with-headers', [CompletionResultType]::ParameterName, 'Put a heading over each table')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;a' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--with-headers', '--with-headers', [CompletionResultType]::ParameterName, 'Put a heading over each table')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;all' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--with-headers', '--with-headers', [CompletionResultType]::ParameterName, 'Put a heading over each table')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;a' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read a saved dump instead; `-` is the standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--with-headers', '--with-headers', [CompletionResultType]::ParameterName, 'Put a heading over each table')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;log' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('--level', '--level', [CompletionResultType]::ParameterName, 'New level, such as debug or access=debug,info')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Go back to the level at the start')
            [CompletionResult]::new('--reset', '--reset', [CompletionResultType]::ParameterName, 'Go back to the level at the start')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;o' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('--level', '--level', [CompletionResultType]::ParameterName, 'New level, such as debug or access=debug,info')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Go back to the level at the start')
            [CompletionResult]::new('--reset', '--reset', [CompletionResultType]::ParameterName, 'Go back to the level at the start')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;log' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('--level', '--level', [CompletionResultType]::ParameterName, 'New level, such as debug or access=debug,info')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Go back to the level at the start')
            [CompletionResult]::new('--reset', '--reset', [CompletionResultType]::ParameterName, 'Go back to the level at the start')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;zc;o' {
            [CompletionResult]::new('--node', '--node', [CompletionResultType]::ParameterName, 'Only the ztunnel of this node')
            [CompletionResult]::new('--level', '--level', [CompletionResultType]::ParameterName, 'New level, such as debug or access=debug,info')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Go back to the level at the start')
            [CompletionResult]::new('--reset', '--reset', [CompletionResultType]::ParameterName, 'Go back to the level at the start')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;ztunnel-config;help' {
            [CompletionResult]::new('workload', 'workload', [CompletionResultType]::ParameterValue, 'Show the workloads')
            [CompletionResult]::new('service', 'service', [CompletionResultType]::ParameterValue, 'Show the services and their endpoints')
            [CompletionResult]::new('policy', 'policy', [CompletionResultType]::ParameterValue, 'Show the authorization policies')
            [CompletionResult]::new('certificate', 'certificate', [CompletionResultType]::ParameterValue, 'Show the certificates')
            [CompletionResult]::new('connections', 'connections', [CompletionResultType]::ParameterValue, 'Show the open connections')
            [CompletionResult]::new('all', 'all', [CompletionResultType]::ParameterValue, 'Show everything')
            [CompletionResult]::new('log', 'log', [CompletionResultType]::ParameterValue, 'Show or change the log level')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;ztunnel-config;help;workload' {
            break
        }
        'ambient;ztunnel-config;help;service' {
            break
        }
        'ambient;ztunnel-config;help;policy' {
            break
        }
        'ambient;ztunnel-config;help;certificate' {
            break
        }
        'ambient;ztunnel-config;help;connections' {
            break
        }
        'ambient;ztunnel-config;help;all' {
            break
        }
        'ambient;ztunnel-config;help;log' {
            break
        }
        'ambient;ztunnel-config;help;help' {
            break
        }
        'ambient;zc;help' {
            [CompletionResult]::new('workload', 'workload', [CompletionResultType]::ParameterValue, 'Show the workloads')
            [CompletionResult]::new('service', 'service', [CompletionResultType]::ParameterValue, 'Show the services and their endpoints')
            [CompletionResult]::new('policy', 'policy', [CompletionResultType]::ParameterValue, 'Show the authorization policies')
            [CompletionResult]::new('certificate', 'certificate', [CompletionResultType]::ParameterValue, 'Show the certificates')
            [CompletionResult]::new('connections', 'connections', [CompletionResultType]::ParameterValue, 'Show the open connections')
            [CompletionResult]::new('all', 'all', [CompletionResultType]::ParameterValue, 'Show everything')
            [CompletionResult]::new('log', 'log', [CompletionResultType]::ParameterValue, 'Show or change the log level')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;zc;help;workload' {
            break
        }
        'ambient;zc;help;service' {
            break
        }
        'ambient;zc;help;policy' {
            break
        }
        'ambient;zc;help;certificate' {
            break
        }
        'ambient;zc;help;connections' {
            break
        }
        'ambient;zc;help;all' {
            break
        }
        'ambient;zc;help;log' {
            break
        }
        'ambient;zc;help;help' {
            break
        }
        'ambient;verify' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'All namespaces that are enrolled, or have a captured pod')
            [CompletionResult]::new('--all-namespaces', '--all-namespaces', [CompletionResultType]::ParameterName, 'All namespaces that are enrolled, or have a captured pod')
            [CompletionResult]::new('--passive', '--passive', [CompletionResultType]::ParameterName, 'Open no connections, look only at those there are')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--pause', '--pause', [CompletionResultType]::ParameterName, 'Wait for Enter before each step')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Leave the sandbox running')
            [CompletionResult]::new('--rootless', '--rootless', [CompletionResultType]::ParameterName, 'Run in a user namespace although root could do without')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('demo', 'demo', [CompletionResultType]::ParameterValue, 'Show what the mesh does, step by step, on a sandbox of its own (also without a command)')
            [CompletionResult]::new('up', 'up', [CompletionResultType]::ParameterValue, 'Start a sandbox')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show which sandboxes run, their pods and what is wrong with their manifests')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Apply manifests')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete what manifests name')
            [CompletionResult]::new('get', 'get', [CompletionResultType]::ParameterValue, 'List objects')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Show what a pod, or a component of the mesh, has written')
            [CompletionResult]::new('exec', 'exec', [CompletionResultType]::ParameterValue, 'Run a program in a pod')
            [CompletionResult]::new('top', 'top', [CompletionResultType]::ParameterValue, 'Show what pods use')
            [CompletionResult]::new('down', 'down', [CompletionResultType]::ParameterValue, 'End a sandbox; nothing is left of it')
            [CompletionResult]::new('app', 'app', [CompletionResultType]::ParameterValue, 'Small programs for manifests: a server that tells who asked, and clients')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;sandbox;demo' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--pause', '--pause', [CompletionResultType]::ParameterName, 'Wait for Enter before each step')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Leave the sandbox running')
            [CompletionResult]::new('--rootless', '--rootless', [CompletionResultType]::ParameterName, 'Run in a user namespace although root could do without')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox;up' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Folder or file of manifests to keep to; may be repeated')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'Folder or file of manifests to keep to; may be repeated')
            [CompletionResult]::new('--nodes', '--nodes', [CompletionResultType]::ParameterName, 'Number of nodes')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest to wait until all is ready, such as 30s')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--rootless', '--rootless', [CompletionResultType]::ParameterName, 'Run in a user namespace although root could do without')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox;status' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox;apply' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'File or folder of manifests, or `-` for the standard input; may be repeated')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'File or folder of manifests, or `-` for the standard input; may be repeated')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox;delete' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'File or folder of manifests, or `-` for the standard input; may be repeated')
            [CompletionResult]::new('--filename', '--filename', [CompletionResultType]::ParameterName, 'File or folder of manifests, or `-` for the standard input; may be repeated')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox;get' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'All namespaces, also when -n is given')
            [CompletionResult]::new('--all-namespaces', '--all-namespaces', [CompletionResultType]::ParameterName, 'All namespaces, also when -n is given')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox;logs' {
            [CompletionResult]::new('--container', '--container', [CompletionResultType]::ParameterName, 'Container of the pod')
            [CompletionResult]::new('--tail', '--tail', [CompletionResultType]::ParameterName, 'The last lines alone')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Go on with what comes')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Go on with what comes')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox;exec' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox;top' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox;down' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'All of them')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox;app' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Serve HTTP: every answer tells the server''s name and the client''s address and headers')
            [CompletionResult]::new('get', 'get', [CompletionResultType]::ParameterValue, 'Ask once, and print the answer; exit code 1 when there is none')
            [CompletionResult]::new('hold', 'hold', [CompletionResultType]::ParameterValue, 'Keep a connection busy until standard input ends; exit code 1 when it breaks')
            [CompletionResult]::new('impostor', 'impostor', [CompletionResultType]::ParameterValue, 'Try to be a peer of the mesh with a certificate that nobody vouches for; exit code 0 when it is refused')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;sandbox;app;serve' {
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Name to answer with')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'Port to listen on')
            [CompletionResult]::new('--calls', '--calls', [CompletionResultType]::ParameterName, 'Another service to ask for each request, whose answer is part of this one''s')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox;app;get' {
            [CompletionResult]::new('-H', '-H ', [CompletionResultType]::ParameterName, 'Header as NAME:VALUE; may be repeated')
            [CompletionResult]::new('--header', '--header', [CompletionResultType]::ParameterName, 'Header as NAME:VALUE; may be repeated')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox;app;hold' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox;app;impostor' {
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'Identity to pretend')
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'Root certificate of the mesh, as PEM')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;sandbox;app;help' {
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Serve HTTP: every answer tells the server''s name and the client''s address and headers')
            [CompletionResult]::new('get', 'get', [CompletionResultType]::ParameterValue, 'Ask once, and print the answer; exit code 1 when there is none')
            [CompletionResult]::new('hold', 'hold', [CompletionResultType]::ParameterValue, 'Keep a connection busy until standard input ends; exit code 1 when it breaks')
            [CompletionResult]::new('impostor', 'impostor', [CompletionResultType]::ParameterValue, 'Try to be a peer of the mesh with a certificate that nobody vouches for; exit code 0 when it is refused')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;sandbox;app;help;serve' {
            break
        }
        'ambient;sandbox;app;help;get' {
            break
        }
        'ambient;sandbox;app;help;hold' {
            break
        }
        'ambient;sandbox;app;help;impostor' {
            break
        }
        'ambient;sandbox;app;help;help' {
            break
        }
        'ambient;sandbox;help' {
            [CompletionResult]::new('demo', 'demo', [CompletionResultType]::ParameterValue, 'Show what the mesh does, step by step, on a sandbox of its own (also without a command)')
            [CompletionResult]::new('up', 'up', [CompletionResultType]::ParameterValue, 'Start a sandbox')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show which sandboxes run, their pods and what is wrong with their manifests')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Apply manifests')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete what manifests name')
            [CompletionResult]::new('get', 'get', [CompletionResultType]::ParameterValue, 'List objects')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Show what a pod, or a component of the mesh, has written')
            [CompletionResult]::new('exec', 'exec', [CompletionResultType]::ParameterValue, 'Run a program in a pod')
            [CompletionResult]::new('top', 'top', [CompletionResultType]::ParameterValue, 'Show what pods use')
            [CompletionResult]::new('down', 'down', [CompletionResultType]::ParameterValue, 'End a sandbox; nothing is left of it')
            [CompletionResult]::new('app', 'app', [CompletionResultType]::ParameterValue, 'Small programs for manifests: a server that tells who asked, and clients')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;sandbox;help;demo' {
            break
        }
        'ambient;sandbox;help;up' {
            break
        }
        'ambient;sandbox;help;status' {
            break
        }
        'ambient;sandbox;help;apply' {
            break
        }
        'ambient;sandbox;help;delete' {
            break
        }
        'ambient;sandbox;help;get' {
            break
        }
        'ambient;sandbox;help;logs' {
            break
        }
        'ambient;sandbox;help;exec' {
            break
        }
        'ambient;sandbox;help;top' {
            break
        }
        'ambient;sandbox;help;down' {
            break
        }
        'ambient;sandbox;help;app' {
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Serve HTTP: every answer tells the server''s name and the client''s address and headers')
            [CompletionResult]::new('get', 'get', [CompletionResultType]::ParameterValue, 'Ask once, and print the answer; exit code 1 when there is none')
            [CompletionResult]::new('hold', 'hold', [CompletionResultType]::ParameterValue, 'Keep a connection busy until standard input ends; exit code 1 when it breaks')
            [CompletionResult]::new('impostor', 'impostor', [CompletionResultType]::ParameterValue, 'Try to be a peer of the mesh with a certificate that nobody vouches for; exit code 0 when it is refused')
            break
        }
        'ambient;sandbox;help;app;serve' {
            break
        }
        'ambient;sandbox;help;app;get' {
            break
        }
        'ambient;sandbox;help;app;hold' {
            break
        }
        'ambient;sandbox;help;app;impostor' {
            break
        }
        'ambient;sandbox;help;help' {
            break
        }
        'ambient;token' {
            [CompletionResult]::new('--state', '--state', [CompletionResultType]::ParameterName, 'State directory of the folder')
            [CompletionResult]::new('--expires', '--expires', [CompletionResultType]::ParameterName, 'How long it holds, 10m to 24h')
            [CompletionResult]::new('--write', '--write', [CompletionResultType]::ParameterName, 'Write `token` and `root-cert.pem` into this folder instead of printing the token')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;version' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write the answer')
            [CompletionResult]::new('--remote', '--remote', [CompletionResultType]::ParameterName, 'Ask the cluster too')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;completion' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Path to the kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod''s own account; without any of them the only sandbox that runs]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig to use')
            [CompletionResult]::new('--sandbox', '--sandbox', [CompletionResultType]::ParameterName, 'Speak to a sandbox on this machine instead of a cluster: the one that runs, or the one of this name')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace that the command is about')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--istio-namespace', '--istio-namespace', [CompletionResultType]::ParameterName, 'Namespace that the mesh is installed in')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ambient;help' {
            [CompletionResult]::new('install', 'install', [CompletionResultType]::ParameterValue, 'Install the mesh, or bring it up to date')
            [CompletionResult]::new('manifest', 'manifest', [CompletionResultType]::ParameterValue, 'Print the manifests that install applies')
            [CompletionResult]::new('uninstall', 'uninstall', [CompletionResultType]::ParameterValue, 'Take the mesh out of the cluster again')
            [CompletionResult]::new('namespace', 'namespace', [CompletionResultType]::ParameterValue, 'Enrol namespaces and pods, or take them out')
            [CompletionResult]::new('waypoint', 'waypoint', [CompletionResultType]::ParameterValue, 'Give namespaces, services and service accounts proxies at layer 7')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show whether the mesh is well')
            [CompletionResult]::new('ztunnel-config', 'ztunnel-config', [CompletionResultType]::ParameterValue, 'Show what the ztunnels know: workloads, services, policies, certificates, connections')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Prove from live evidence whether traffic is mTLS')
            [CompletionResult]::new('sandbox', 'sandbox', [CompletionResultType]::ParameterValue, 'Run the whole mesh on this machine, without Kubernetes')
            [CompletionResult]::new('token', 'token', [CompletionResultType]::ParameterValue, 'Issue the token of a pod where a folder stands in for Kubernetes')
            [CompletionResult]::new('version', 'version', [CompletionResultType]::ParameterValue, 'Show the versions of this program and of the mesh')
            [CompletionResult]::new('completion', 'completion', [CompletionResultType]::ParameterValue, 'Print the completion script of a shell')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ambient;help;install' {
            break
        }
        'ambient;help;manifest' {
            break
        }
        'ambient;help;uninstall' {
            break
        }
        'ambient;help;namespace' {
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Enrol: all pods are captured, running ones too')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Take out: traffic flows as if there were no mesh')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the namespaces and how many of their pods are captured')
            break
        }
        'ambient;help;namespace;add' {
            break
        }
        'ambient;help;namespace;remove' {
            break
        }
        'ambient;help;namespace;list' {
            break
        }
        'ambient;help;waypoint' {
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Make a waypoint, or change one, and put whom you name behind it')
            [CompletionResult]::new('generate', 'generate', [CompletionResultType]::ParameterValue, 'Print the Gateway that apply makes, without a cluster')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the waypoints: what they take, whether they run, how many are behind them')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show whether waypoints are ready, and who is not behind them and why')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete waypoints, and the labels that name them')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Show the routes, backends and policies as the proxies have them')
            break
        }
        'ambient;help;waypoint;apply' {
            break
        }
        'ambient;help;waypoint;generate' {
            break
        }
        'ambient;help;waypoint;list' {
            break
        }
        'ambient;help;waypoint;status' {
            break
        }
        'ambient;help;waypoint;delete' {
            break
        }
        'ambient;help;waypoint;config' {
            break
        }
        'ambient;help;status' {
            break
        }
        'ambient;help;ztunnel-config' {
            [CompletionResult]::new('workload', 'workload', [CompletionResultType]::ParameterValue, 'Show the workloads')
            [CompletionResult]::new('service', 'service', [CompletionResultType]::ParameterValue, 'Show the services and their endpoints')
            [CompletionResult]::new('policy', 'policy', [CompletionResultType]::ParameterValue, 'Show the authorization policies')
            [CompletionResult]::new('certificate', 'certificate', [CompletionResultType]::ParameterValue, 'Show the certificates')
            [CompletionResult]::new('connections', 'connections', [CompletionResultType]::ParameterValue, 'Show the open connections')
            [CompletionResult]::new('all', 'all', [CompletionResultType]::ParameterValue, 'Show everything')
            [CompletionResult]::new('log', 'log', [CompletionResultType]::ParameterValue, 'Show or change the log level')
            break
        }
        'ambient;help;ztunnel-config;workload' {
            break
        }
        'ambient;help;ztunnel-config;service' {
            break
        }
        'ambient;help;ztunnel-config;policy' {
            break
        }
        'ambient;help;ztunnel-config;certificate' {
            break
        }
        'ambient;help;ztunnel-config;connections' {
            break
        }
        'ambient;help;ztunnel-config;all' {
            break
        }
        'ambient;help;ztunnel-config;log' {
            break
        }
        'ambient;help;verify' {
            break
        }
        'ambient;help;sandbox' {
            [CompletionResult]::new('demo', 'demo', [CompletionResultType]::ParameterValue, 'Show what the mesh does, step by step, on a sandbox of its own (also without a command)')
            [CompletionResult]::new('up', 'up', [CompletionResultType]::ParameterValue, 'Start a sandbox')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show which sandboxes run, their pods and what is wrong with their manifests')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Apply manifests')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Delete what manifests name')
            [CompletionResult]::new('get', 'get', [CompletionResultType]::ParameterValue, 'List objects')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Show what a pod, or a component of the mesh, has written')
            [CompletionResult]::new('exec', 'exec', [CompletionResultType]::ParameterValue, 'Run a program in a pod')
            [CompletionResult]::new('top', 'top', [CompletionResultType]::ParameterValue, 'Show what pods use')
            [CompletionResult]::new('down', 'down', [CompletionResultType]::ParameterValue, 'End a sandbox; nothing is left of it')
            [CompletionResult]::new('app', 'app', [CompletionResultType]::ParameterValue, 'Small programs for manifests: a server that tells who asked, and clients')
            break
        }
        'ambient;help;sandbox;demo' {
            break
        }
        'ambient;help;sandbox;up' {
            break
        }
        'ambient;help;sandbox;status' {
            break
        }
        'ambient;help;sandbox;apply' {
            break
        }
        'ambient;help;sandbox;delete' {
            break
        }
        'ambient;help;sandbox;get' {
            break
        }
        'ambient;help;sandbox;logs' {
            break
        }
        'ambient;help;sandbox;exec' {
            break
        }
        'ambient;help;sandbox;top' {
            break
        }
        'ambient;help;sandbox;down' {
            break
        }
        'ambient;help;sandbox;app' {
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Serve HTTP: every answer tells the server''s name and the client''s address and headers')
            [CompletionResult]::new('get', 'get', [CompletionResultType]::ParameterValue, 'Ask once, and print the answer; exit code 1 when there is none')
            [CompletionResult]::new('hold', 'hold', [CompletionResultType]::ParameterValue, 'Keep a connection busy until standard input ends; exit code 1 when it breaks')
            [CompletionResult]::new('impostor', 'impostor', [CompletionResultType]::ParameterValue, 'Try to be a peer of the mesh with a certificate that nobody vouches for; exit code 0 when it is refused')
            break
        }
        'ambient;help;sandbox;app;serve' {
            break
        }
        'ambient;help;sandbox;app;get' {
            break
        }
        'ambient;help;sandbox;app;hold' {
            break
        }
        'ambient;help;sandbox;app;impostor' {
            break
        }
        'ambient;help;token' {
            break
        }
        'ambient;help;version' {
            break
        }
        'ambient;help;completion' {
            break
        }
        'ambient;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
