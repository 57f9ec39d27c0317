//! Manifests as operators write, change, rename, break and delete them.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret};
use kube::{Api, ResourceExt, api::DeleteParams};
use serde_json::json;

use crate::{Here, code, make};

fn map(name: &str, data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: {data:?}}}\n")
}

impl Here {
    fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), "default")
    }

    async fn value(&self, name: &str) -> Option<String> {
        self.maps().get_opt(name).await.expect("asked")?.data?.remove("k")
    }

    async fn becomes(&self, name: &str, value: Option<&str>) {
        self.until(&format!("{name} is {value:?}"), async |here| here.value(name).await.as_deref() == value).await;
    }

    async fn told(&self, want: &[&str]) {
        self.until(&format!("{want:#?}"), async |here| here.problems() == want).await;
    }

    async fn with_default() -> Self {
        let here = Self::new();
        here.namespace("default").await;
        here
    }
}

#[tokio::test]
async fn files_are_followed() {
    let here = Here::with_default().await;
    here.write("a.yaml", &map("m", "1"));
    here.becomes("m", Some("1")).await;
    here.write("a.yaml", &map("m", "2"));
    here.becomes("m", Some("2")).await;
    // As editors do: a new file takes the place of the old one.
    here.write(".a.yaml.swp", "no manifest: [");
    here.write("a.yaml~", "no manifest: [");
    here.write("new", &map("m", "3"));
    std::fs::rename(here.path("manifests/new"), here.path("manifests/a.yaml")).expect("renamed");
    here.becomes("m", Some("3")).await;
    // Another name is the same object.
    let uid = here.maps().get("m").await.expect("there").uid();
    std::fs::rename(here.path("manifests/a.yaml"), here.path("manifests/b.json")).expect("renamed");
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(here.maps().get("m").await.expect("there").uid(), uid);
    std::fs::create_dir_all(here.path("manifests/deep/er")).expect("made");
    here.write("deep/er/c.yml", &map("n", "1"));
    here.becomes("n", Some("1")).await;
    std::fs::remove_file(here.path("manifests/b.json")).expect("removed");
    here.becomes("m", None).await;
    std::fs::remove_dir_all(here.path("manifests/deep")).expect("removed");
    here.becomes("n", None).await;
    assert_eq!(here.problems(), [""; 0]);
}

#[tokio::test]
async fn fields_that_a_manifest_has_no_longer_go_and_those_of_others_stay() {
    let here = Here::with_default().await;
    here.write(
        "a.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, labels: {a: b}}\ndata: {k: '1', l: '2'}\n",
    );
    here.becomes("m", Some("1")).await;
    let patch = kube::api::Patch::Merge(json!({"metadata": {"annotations": {"by": "other"}}}));
    here.maps().patch("m", &kube::api::PatchParams::default(), &patch).await.expect("patched");
    here.write("a.yaml", &map("m", "3"));
    here.becomes("m", Some("3")).await;
    let map = here.maps().get("m").await.expect("there");
    assert!(map.labels().is_empty() && map.data.is_some_and(|d| d.len() == 1));
    assert_eq!(here.maps().get("m").await.expect("there").annotations()["by"], "other");
}

#[tokio::test]
async fn what_is_broken_changes_nothing() {
    let here = Here::with_default().await;
    here.write("a.yaml", &format!("{}---\n{}", map("m", "1"), map("n", "1")));
    here.write("b.yaml", &map("o", "1"));
    here.becomes("o", Some("1")).await;
    // No YAML: all of the file stays, other files go on.
    here.write("a.yaml", "apiVersion: v1\nkind: [");
    here.write("b.yaml", &map("o", "2"));
    here.becomes("o", Some("2")).await;
    here.until("a problem", async |here| here.problems().len() == 1).await;
    assert!(here.problems()[0].starts_with("a.yaml:3:1: not YAML: "), "{:?}", here.problems());
    assert_eq!((here.value("m").await, here.value("n").await), (Some("1".into()), Some("1".into())));
    // A document that is not valid: only its object stays as it was.
    let wrong = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: n}\ndate: {k: '2'}\n";
    here.write("a.yaml", &format!("{}---\n{wrong}", map("m", "2")));
    here.becomes("m", Some("2")).await;
    here.told(&["a.yaml:9:1: ConfigMap default/n: date: unknown field, did you mean data?"]).await;
    assert_eq!(here.value("n").await, Some("1".into()));
    // One without a name may be any object of its file.
    here.write("a.yaml", &format!("{}---\nkind: ConfigMap\napiVersion: v1\nmetadata: {{nam: n}}\n", map("m", "3")));
    here.becomes("m", Some("3")).await;
    assert_eq!(here.value("n").await, Some("1".into()));
    here.until("both problems", async |here| here.problems().len() == 2).await;
    here.write("a.yaml", &map("m", "4"));
    here.becomes("n", None).await;
    here.told(&[]).await;
    // Not even at the start.
    here.write("a.yaml", "{");
    let here = here.reopen();
    assert_eq!(here.value("m").await, Some("4".into()));
    // A folder that is not there is not empty.
    std::fs::rename(here.path("manifests"), here.path("elsewhere")).expect("renamed");
    let here = here.reopen();
    assert_eq!((here.value("m").await, here.problems().len()), (Some("4".into()), 1));
}

#[tokio::test]
async fn what_went_while_nobody_looked_is_deleted_at_the_start() {
    let here = Here::with_default().await;
    here.write("a.yaml", &map("m", "1"));
    here.write("b.yaml", &map("n", "1"));
    here.becomes("n", Some("1")).await;
    let _: ConfigMap =
        make(&here.client, Some("default"), &json!({"metadata": {"name": "own"}, "data": {"k": "1"}})).await;
    let Here { directory, folder, client } = here;
    drop((folder, client));
    std::fs::remove_file(directory.path().join("manifests/a.yaml")).expect("removed");
    let here = Here::open(directory);
    assert_eq!((here.value("m").await, here.value("n").await), (None, Some("1".into())));
    assert_eq!(here.value("own").await, Some("1".into()), "no manifest's");
}

#[tokio::test]
async fn a_file_of_comments_holds_nothing() {
    let here = Here::with_default().await;
    here.write("a.yaml", &map("m", "1"));
    here.becomes("m", Some("1")).await;
    let commented: String = map("m", "1").lines().map(|line| format!("# {line}\n")).collect();
    here.write("a.yaml", &commented);
    here.becomes("m", None).await;
    here.write("deep.yaml", &"[".repeat(1_000_000));
    here.told(&["deep.yaml:1:1001: not YAML: brackets are nested more than 1000 deep"]).await;
}

#[tokio::test]
async fn a_mistyped_folder_deletes_nothing() {
    let here = Here::with_default().await;
    here.write("a.yaml", &map("m", "1"));
    here.becomes("m", Some("1")).await;
    let Here { directory, folder, client } = here;
    drop((folder, client));
    let open = |manifests: &str| {
        let settings = crate::settings(directory.path());
        let settings = source::folder::Settings { manifests: vec![directory.path().join(manifests)], ..settings };
        source::folder::Folder::open(settings).expect("opens")
    };
    let there = async |folder: &source::folder::Folder| {
        let maps = Api::<ConfigMap>::namespaced(folder.client(), "default");
        maps.get_opt("m").await.expect("asked").is_some()
    };
    let typo = open("typo");
    assert!(there(&typo).await);
    assert!(typo.problems()[0].to_string().contains("cannot be read"), "{:?}", typo.problems());
    drop(typo);
    std::fs::create_dir(directory.path().join("other")).expect("made");
    assert!(!there(&open("other")).await, "one that is there and holds nothing is meant");
}

#[tokio::test]
async fn of_two_files_the_first_counts() {
    let here = Here::with_default().await;
    here.write("b.yaml", &map("m", "b"));
    here.becomes("m", Some("b")).await;
    here.write("a.yaml", &map("m", "a"));
    here.becomes("m", Some("a")).await;
    let first = here.path("manifests/a.yaml");
    let want =
        format!("b.yaml:1:1: ConfigMap default/m: the same object is in {}, which stays in force", first.display());
    here.told(&[&want.replace(&format!("{}/manifests/", here.directory.path().display()), "")]).await;
    std::fs::remove_file(first).expect("removed");
    here.becomes("m", Some("b")).await;
    here.told(&[]).await;
}

#[tokio::test]
async fn namespaces_come_first_and_are_needed() {
    let here = Here::new();
    here.write(
        "a.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\nspec: {containers: [{name: c}]}\n",
    );
    here.told(&["a.yaml:1:1: Pod shop/p: namespace shop does not exist: write a manifest for it as well"]).await;
    here.write("z.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
    here.told(&[]).await;
    let pods = Api::<Pod>::namespaced(here.client.clone(), "shop");
    assert!(pods.get("p").await.expect("there").uid().is_some());
    // Made by anybody, it is noticed.
    here.write("b.yaml", &map("m", "1"));
    here.told(&["b.yaml:1:1: ConfigMap default/m: namespace default does not exist: write a manifest for it as well"])
        .await;
    here.namespace("default").await;
    here.told(&[]).await;
    // One that was there before its manifest outlives it.
    here.write(
        "c.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {istio.io/dataplane-mode: ambient}}\n",
    );
    let spaces = Api::<Namespace>::all(here.client.clone());
    let enrolled =
        async || spaces.get("default").await.expect("there").labels().contains_key("istio.io/dataplane-mode");
    here.until("enrolled", async |_| enrolled().await).await;
    std::fs::remove_file(here.path("manifests/c.yaml")).expect("removed");
    here.until("not enrolled", async |_| !enrolled().await).await;
    std::fs::remove_file(here.path("manifests/z.yaml")).expect("removed");
    here.until("gone", async |_| spaces.get_opt("shop").await.expect("asked").is_none()).await;
}

#[tokio::test]
async fn what_a_manifest_says_is_deleted_there_alone_and_secrets_are_encoded() {
    let here = Here::with_default().await;
    here.write("a.yaml", &map("m", "1"));
    here.becomes("m", Some("1")).await;
    let refused = here.maps().delete("m", &DeleteParams::default()).await.expect_err("held");
    assert!(refused.to_string().contains("manifests/a.yaml: delete it there"), "{refused}");
    assert_eq!(here.value("m").await, Some("1".into()));
    // Applied by somebody else it would be as before at the next edit.
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": "2"}});
    let apply = kube::api::Patch::Apply(&other);
    let yields = here.maps().patch("m", &kube::api::PatchParams::apply("me"), &apply).await.expect_err("held");
    assert!(yields.to_string().contains("manifests/a.yaml: edit it there"), "{yields}");
    here.maps().patch("m", &kube::api::PatchParams::apply("me").force(), &apply).await.expect("forced");
    here.write("s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: v}\n");
    let secrets = Api::<Secret>::namespaced(here.client.clone(), "default");
    here.until("the secret", async |_| secrets.get_opt("s").await.expect("asked").is_some()).await;
    let before = secrets.get("s").await.expect("there");
    assert_eq!(before.data.as_ref().expect("data")["k"].0, b"v");
    // An import that finds all as it should be writes nothing.
    here.write("t.yaml", &map("t", "1"));
    here.becomes("t", Some("1")).await;
    assert_eq!(secrets.get("s").await.expect("there").resource_version(), before.resource_version());
}

#[tokio::test]
async fn only_one_imports_and_problems_can_be_awaited() {
    let here = Here::with_default().await;
    let mut problems = here.folder.watch_problems();
    here.write("a.yaml", "kind: Nothing\napiVersion: v1\n");
    let told = problems.wait_for(|p| !p.is_empty()).await.expect("told").clone();
    assert_eq!(told[0].file, here.path("manifests/a.yaml").display().to_string());
    let reader = source::folder::Settings { import: false, ..crate::settings(here.directory.path()) };
    let reader = source::folder::Folder::open(reader).expect("opens");
    assert_eq!(reader.problems(), []);
    let inside =
        source::folder::Settings { state: here.path("manifests").join(".."), ..crate::settings(here.directory.path()) };
    assert!(source::folder::Folder::open(inside).is_err(), "manifests in the state");
    let absent = Api::<ConfigMap>::namespaced(reader.client(), "default");
    assert_eq!(code(absent.get("m").await).0, 404);
}

#[tokio::test]
async fn a_file_that_is_being_written_deletes_nothing() {
    let here = Here::with_default().await;
    here.write("a.yaml", &map("m", "0"));
    here.becomes("m", Some("0")).await;
    let uid = here.maps().get("m").await.expect("there").uid();
    for round in 1..20 {
        // In place, with an import under way because of another file.
        here.write("a.yaml", "");
        here.write("b.yaml", &map("n", &round.to_string()));
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        here.write("a.yaml", &map("m", &round.to_string()));
    }
    here.becomes("m", Some("19")).await;
    assert_eq!(here.maps().get("m").await.expect("there").uid(), uid);
}
