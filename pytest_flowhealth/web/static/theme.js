// The theme that was chosen, before anything is drawn. Without a choice it is that of the system.
document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "system";
