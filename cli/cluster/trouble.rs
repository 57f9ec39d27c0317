//! What keeps a pod from starting and does not go away by itself: a pure function of its status.

use std::fmt;

use k8s_openapi::api::core::v1::Pod;

/// Something that only the operator can mend, with the pod's name where it matters.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The image is not on the node and cannot be pulled.
    Image(String),
    /// The program ends again and again.
    Crashes(String),
    /// The container cannot be made, and why.
    Container(String, String),
    /// No node takes the pod, and why.
    NoNode(String, String),
}

impl Trouble {
    /// Finds the trouble of a pod, if it has one.
    pub fn of(pod: &Pod) -> Option<Self> {
        let status = pod.status.as_ref()?;
        let name = || pod.metadata.name.clone().unwrap_or_default();
        for container in status.container_statuses.iter().flatten() {
            let Some(waiting) = container.state.as_ref().and_then(|state| state.waiting.as_ref()) else { continue };
            let reason = waiting.reason.as_deref().unwrap_or_default();
            let message = waiting.message.clone().unwrap_or_default();
            return match reason {
                "ErrImagePull" | "ErrImageNeverPull" | "ImagePullBackOff" => Some(Self::Image(container.image.clone())),
                "CrashLoopBackOff" => Some(Self::Crashes(name())),
                "CreateContainerConfigError" | "CreateContainerError" | "InvalidImageName" | "RunContainerError" => {
                    Some(Self::Container(name(), format!("{reason}: {message}")))
                }
                _ => None,
            };
        }
        let scheduled = status.conditions.iter().flatten().find(|condition| condition.type_ == "PodScheduled")?;
        let stuck = scheduled.status == "False" && scheduled.reason.as_deref() == Some("Unschedulable");
        stuck.then(|| Self::NoNode(name(), scheduled.message.clone().unwrap_or_default()))
    }

    /// Returns the image that is missing, if that is it.
    pub fn missing_image(&self) -> Option<&str> {
        match self {
            Self::Image(image) => Some(image),
            _ => None,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(image) => write!(f, "{}", how_to_load(image)),
            Self::Crashes(pod) => write!(f, "pod {pod} crashes and is restarted"),
            Self::Container(pod, reason) => write!(f, "pod {pod} cannot be started: {reason}"),
            Self::NoNode(pod, reason) => write!(f, "no node takes pod {pod}: {reason}"),
        }
    }
}

/// Says what is missing and what to do.
pub fn how_to_load(image: &str) -> String {
    format!(
        "image {image} is not on the nodes and cannot be pulled: load it (`kind load image-archive`, `k3d image import`, \
         `minikube image load`, or `ctr --namespace k8s.io images import` on each node), or name another with \
         --set image.repository=NAME --set image.tag=TAG"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_heal_by_itself() {
        let waiting = |reason: &str| {
            json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [{
                "name": "c", "image": "localhost/ambient:1", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": reason, "message": "why"}},
            }]}})
        };
        let scheduled = |status: &str| {
            let condition =
                json!({"type": "PodScheduled", "status": status, "reason": "Unschedulable", "message": "full"});
            json!({"metadata": {"name": "p"}, "status": {"conditions": [condition]}})
        };
        let image = || Some(Trouble::Image("localhost/ambient:1".into()));
        let table = [
            (waiting("ErrImagePull"), image()),
            (waiting("ErrImageNeverPull"), image()),
            (waiting("ImagePullBackOff"), image()),
            (waiting("CrashLoopBackOff"), Some(Trouble::Crashes("p".into()))),
            (waiting("InvalidImageName"), Some(Trouble::Container("p".into(), "InvalidImageName: why".into()))),
            // As every pod passes through.
            (waiting("ContainerCreating"), None),
            (scheduled("False"), Some(Trouble::NoNode("p".into(), "full".into()))),
            (scheduled("True"), None),
            (json!({"metadata": {"name": "p"}}), None),
        ];
        for (pod, expected) in table {
            let read: Pod = serde_json::from_value(pod.clone()).expect("a pod");
            assert_eq!(Trouble::of(&read), expected, "{pod}");
        }
    }
}
