"""Numbers of the paper that ours are shown beside."""

# Table 4: AUROC in percent of ResNet18 trained on CIFAR10
TABLE_4_COLUMNS = ("SVHN", "CIFAR100", "FGSM", "DS", "OODom.")
TABLE_4 = {
    (100, "msp"): (100, 100, 100, 98.7, 51.3),
    (100, "gradnorm"): (100, 100, 99.8, 91.9, 33.3),
    (100, "sensnorm"): (100, 100, 100, 99.9, 100),
    (5, "msp"): (98.5, 92.7, 87.7, 84.5, 50.8),
    (5, "gradnorm"): (99.8, 98.6, 94.9, 92.3, 32.9),
    (5, "sensnorm"): (99.9, 99.2, 98.8, 96.5, 100),
    (2, "msp"): (92.2, 85.5, 81.2, 79.1, 51.6),
    (2, "gradnorm"): (98.8, 92.9, 88.3, 87.0, 33.1),
    (2, "sensnorm"): (97.3, 91.0, 87.7, 87.3, 100),
    (1, "msp"): (90.3, 83.3, 79.5, 77.1, 53.4),
    (1, "gradnorm"): (96.7, 85.2, 80.4, 81.0, 33.0),
    (1, "sensnorm"): (93.7, 85.2, 80.6, 79.0, 100),
}
